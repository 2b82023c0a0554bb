//! Resources: their methods, HEAD beside GET, OPTIONS, 405 with `Allow`, 404 as JSON.

use actix_web::http::{Method, header};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use super::ApiError;

/// A resource under construction: every method without a handler is answered 405.
pub(crate) struct Methods {
    resource: Resource,
    allow: String,
}

impl Methods {
    /// A resource at `path` without any method yet.
    pub(crate) fn at(path: &str) -> Methods {
        Methods {
            resource: web::resource(path),
            allow: String::new(),
        }
    }

    /// Adds a method; GET adds HEAD as well.
    pub(crate) fn on<F, Args>(mut self, method: Method, handler: F) -> Methods
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self
            .resource
            .route(web::method(method.clone()).to(handler.clone()));
        self.allow.push_str(&format!("{method}, "));
        if method == Method::GET {
            return self.on(Method::HEAD, handler);
        }
        self
    }

    /// The resource, with OPTIONS and the answer to every other method.
    pub(crate) fn resource(self) -> Resource {
        let allow = self.allow + "OPTIONS";
        let refused = allow.clone();
        let options = move || {
            let allow = (header::ALLOW, allow.clone());
            async { HttpResponse::NoContent().insert_header(allow).finish() }
        };
        let refuse = move || {
            let refusal = ApiError::MethodNotAllowed(refused.clone());
            async { Err::<HttpResponse, _>(refusal) }
        };
        self.resource
            .route(web::method(Method::OPTIONS).to(options))
            .default_service(web::to(refuse))
    }
}

/// The answer where no resource is.
pub(crate) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("resource"))
}
