use actix_web::{HttpResponse, Resource, web};

use super::ApiError;
use super::error::allow;

/// A resource that answers GET (and so HEAD); every other method is 405.
pub(crate) fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(async || not_allowed(allow(true, false))))
}

/// A resource that answers POST; every other method is 405.
pub(crate) fn get_and_post<F, A, G, B>(path: &str, get: F, post: G) -> Resource
where
    F: actix_web::Handler<A> + Clone,
    A: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
    G: actix_web::Handler<B>,
    B: actix_web::FromRequest + 'static,
    G::Output: actix_web::Responder + 'static,
{
    web::resource(path)
        .route(web::post().to(post))
        .route(web::get().to(get.clone()))
        .route(web::head().to(get))
        .default_service(web::to(async || not_allowed(allow(true, true))))
}

/// What answers where no resource is.
pub(crate) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("resource"))
}

fn not_allowed(allow: &'static str) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(allow))
}
