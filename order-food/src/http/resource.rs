use actix_web::http::{Method, header};
use actix_web::{HttpResponse, Resource, Route, web};

use super::ApiError;
use crate::metrics::ResourceSeries;

const GET: &str = "GET, HEAD, OPTIONS";
const GET_AND_POST: &str = "GET, HEAD, POST, OPTIONS";

/// A resource that answers GET (and so HEAD) and OPTIONS; every other method is 405.
pub(crate) fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    counted(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .route(options(GET))
        .default_service(web::to(async || not_allowed(GET)))
}

/// A resource that answers GET (and so HEAD), POST and OPTIONS; every other method is 405.
pub(crate) fn get_and_post<F, A, G, B>(path: &str, get: F, post: G) -> Resource
where
    F: actix_web::Handler<A> + Clone,
    A: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
    G: actix_web::Handler<B>,
    B: actix_web::FromRequest + 'static,
    G::Output: actix_web::Responder + 'static,
{
    counted(path)
        .route(web::post().to(post))
        .route(web::get().to(get.clone()))
        .route(web::head().to(get))
        .route(options(GET_AND_POST))
        .default_service(web::to(async || not_allowed(GET_AND_POST)))
}

/// A resource that holds ready what its requests are counted in.
fn counted(path: &str) -> Resource {
    web::resource(path).app_data(ResourceSeries::default())
}

/// What answers where no resource is.
pub(crate) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("resource"))
}

/// Answers OPTIONS with what the resource allows. A browser's preflight does not come this far.
fn options(allow: &'static str) -> Route {
    web::method(Method::OPTIONS).to(move || async move {
        HttpResponse::NoContent()
            .insert_header((header::ALLOW, allow))
            .finish()
    })
}

fn not_allowed(allow: &'static str) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(allow))
}
