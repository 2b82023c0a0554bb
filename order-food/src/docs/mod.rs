//! The API's description, served in both forms, and the page that shows it.

mod examples;
mod headers;
mod openapi;
mod operations;
pub(crate) mod page;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::ApiError;
use crate::http::representation::{JSON, Representation};
pub(crate) use openapi::describe;

/// The two forms of the description and the files of its page, ready to be sent.
pub(crate) struct Documents {
    json: Representation,
    yaml: Representation,
    files: page::Files,
}

impl Documents {
    /// Takes both forms of the description; the files are made when they are first asked for.
    pub(crate) fn new(json: String, yaml: String) -> Documents {
        let yaml_type = HeaderValue::from_static("application/yaml");
        Documents {
            json: Representation::made_once(JSON, json.into_bytes(), None),
            yaml: Representation::made_once(yaml_type, yaml.into_bytes(), None),
            files: page::Files::default(),
        }
    }
}

/// This description as JSON.
#[utoipa::path(
    get, path = "/openapi.json", tag = "description", operation_id = "openapiJson",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json",
            example = json!({"openapi": "3.1.0", "info": {"title": "order-food API", "version": "0.1.0"}, "paths": {}})),
        (status = 304, description = "The client's copy is still good"),
    )
)]
pub(crate) async fn openapi_json(
    request: HttpRequest,
    documents: web::Data<Documents>,
) -> Result<HttpResponse, ApiError> {
    Ok(documents.json.respond(&request))
}

/// This description as YAML.
#[utoipa::path(
    get, path = "/openapi.yaml", tag = "description", operation_id = "openapiYaml",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = String, content_type = "application/yaml"),
        (status = 304, description = "The client's copy is still good"),
    )
)]
pub(crate) async fn openapi_yaml(
    request: HttpRequest,
    documents: web::Data<Documents>,
) -> Result<HttpResponse, ApiError> {
    Ok(documents.yaml.respond(&request))
}
