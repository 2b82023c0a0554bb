use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::http::{ApiError, ErrorBody};

/// A page to read this description and to try it out.
///
/// Its links become relative to `/docs` without a trailing slash, which is the address that is served.
#[utoipa::path(
    get, path = "/docs", tag = "description", operation_id = "docs",
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
pub(crate) async fn index() -> Result<HttpResponse, ApiError> {
    let file = vendored("index.html")?;
    let page = String::from_utf8_lossy(&file.bytes)
        .replace("./", "docs/")
        .replace("href=\"index.css\"", "href=\"docs/index.css\"");
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .body(page))
}

/// A script, style or picture of the page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "description", operation_id = "docsFile",
    params(("file" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/html"), (String = "text/css"), (String = "text/javascript"), (String = "image/png"),
        )),
        (status = 404, description = "No such file", body = ErrorBody),
    )
)]
pub(crate) async fn file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let file = vendored(&name)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .body(file.bytes.into_owned()))
}

fn vendored(name: &str) -> Result<SwaggerFile<'static>, ApiError> {
    let config = Arc::new(
        Config::from("../openapi.json")
            .try_it_out_enabled(true)
            .persist_authorization(true),
    );
    utoipa_swagger_ui::serve(name, config)
        .ok()
        .flatten()
        .ok_or(ApiError::NotFound("resource"))
}
