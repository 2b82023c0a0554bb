//! The API's description, made from the code, and the page that shows it.

mod examples;
mod headers;
mod openapi;
mod page;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::representation::{JSON, Representation};
use crate::http::{ApiError, resource};
pub use openapi::{json, yaml};

/// The two forms of the description and the files of its page, ready to be sent.
pub(crate) struct Documents {
    json: Representation,
    yaml: Representation,
    files: page::Files,
}

/// Where the description and its page are served.
pub(crate) fn routes(service: &mut web::ServiceConfig) {
    service
        .service(resource::get("/openapi.json", openapi_json))
        .service(resource::get("/openapi.yaml", openapi_yaml))
        .service(resource::get("/", page::root))
        .service(resource::get("/docs", page::index))
        .service(resource::get("/docs/{file}", page::file));
}

impl Documents {
    /// Makes both forms; the files are made when they are first asked for.
    pub(crate) fn new() -> Documents {
        let yaml_type = HeaderValue::from_static("application/yaml");
        Documents {
            json: Representation::made_once(JSON, json().into_bytes(), None),
            yaml: Representation::made_once(yaml_type, yaml().into_bytes(), None),
            files: page::Files::default(),
        }
    }
}

/// This description as JSON.
#[utoipa::path(
    get, path = "/openapi.json", tag = "description", operation_id = "openapiJson",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"),
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
