//! The documentation page and its vendored files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa_swagger_ui::Config;

use super::Documents;
use crate::http::ApiError;
use crate::http::representation::Representation;

/// Its links are absolute: the page is the same at `/docs` and `/docs/`.
const PAGE: &str = include_str!("index.html");

/// The vendored files that were requested, ready to be sent, by their names.
pub(super) type Files = Mutex<HashMap<String, Representation>>;

/// A page to read the description and to try it out.
pub(crate) async fn index(request: HttpRequest) -> HttpResponse {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    Representation::made_once(html, PAGE.into(), None).respond(&request)
}

/// A script, style or picture of the page.
pub(crate) async fn file(
    request: HttpRequest,
    name: web::Path<String>,
    documents: web::Data<Documents>,
) -> Result<HttpResponse, ApiError> {
    let name = name.into_inner();
    let files = || documents.files.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = files().get(&name) {
        return Ok(file.respond(&request));
    }
    // Compressing the largest takes a tenth of a second.
    let made = web::block(move || Some((vendored(&name)?, name))).await;
    let (file, name) = made.ok().flatten().ok_or(ApiError::NotFound("resource"))?;
    let response = file.respond(&request);
    files().insert(name, file);
    Ok(response)
}

fn vendored(name: &str) -> Option<Representation> {
    let config = Config::from("/openapi.json")
        .use_base_layout()
        .validator_url("none")
        .try_it_out_enabled(true)
        .persist_authorization(true);
    let file = utoipa_swagger_ui::serve(name, Arc::new(config)).ok()??;
    let content_type = HeaderValue::from_str(&file.content_type).ok()?;
    Some(Representation::made_once(
        content_type,
        file.bytes.into_owned(),
        None,
    ))
}
