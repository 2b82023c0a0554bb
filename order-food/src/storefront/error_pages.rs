//! After every page: the security headers, and errors as pages for browsers.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use pages::Representation;

use super::frame::{Badge, Frame};
use super::texts as t;
use super::{Storefront, rendered};
use crate::http::ApiError;
use crate::spans;

/// Makes a browser fetch the page again after so many seconds.
pub(super) const REFRESH: HeaderName = HeaderName::from_static("refresh");
/// Seconds until a page is fetched again that cannot be had right now.
const AGAIN_S: &str = "5";

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    text: &'a str,
    /// Where to go on, and its words.
    way: Option<(&'a str, &'a str)>,
    request_id: Option<String>,
}

/// The middleware: see the module.
pub(crate) async fn finish(
    storefront: web::Data<Storefront>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?;
    let is_ours = response.request().match_pattern().is_some();
    let is_for_people = accepts_html(response.request().headers());
    if is_for_people && let Some(error) = error_of(&response) {
        let html = error_page(response.request(), &storefront, error);
        response = response.into_response(html?);
    }
    if is_ours || is_for_people {
        let site = storefront.site(response.request());
        storefront.headers.apply(&site, response.headers_mut());
    }
    Ok(response)
}

fn error_of(response: &ServiceResponse<BoxBody>) -> Option<&ApiError> {
    response.response().error()?.as_error::<ApiError>()
}

/// Whether a client says that it wants HTML; programs that take anything get JSON.
fn accepts_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok());
    accepted.any(|list| list.to_ascii_lowercase().contains("text/html"))
}

/// The error as a page, with the headers that it has as JSON.
fn error_page(
    request: &HttpRequest,
    storefront: &Storefront,
    error: &ApiError,
) -> Result<HttpResponse, Error> {
    let waiting = match error {
        ApiError::TooManyRequests { retry_after_s, .. } => t::too_many(*retry_after_s),
        _ => String::new(),
    };
    let words = match error {
        ApiError::NotFound(_) => t::NOT_FOUND,
        ApiError::OtherCell(_) => t::ELSEWHERE,
        ApiError::Forbidden(_) => t::FOREIGN,
        ApiError::TooManyRequests { .. } => [t::TOO_MANY, &waiting],
        ApiError::Internal => t::BROKEN,
        error if error.status_code() == StatusCode::SERVICE_UNAVAILABLE => match request.method() {
            &Method::GET => t::UNREADABLE,
            _ => t::UNAVAILABLE,
        },
        _ => t::NOT_UNDERSTOOD,
    };
    let mut response = message(request, storefront, words, Some(("/", t::TO_MENU)))?;
    let json = error.response("");
    for name in [header::RETRY_AFTER, header::ALLOW] {
        if let Some(value) = json.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    failed(request, &mut response, error.status_code());
    Ok(response)
}

/// Makes of a page the answer to a request that failed. The browser fetches it again where it
/// cannot be had right now; what a form answered is left as it is.
fn failed(request: &HttpRequest, response: &mut HttpResponse, status: StatusCode) {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(header::ETAG);
    if status == StatusCode::SERVICE_UNAVAILABLE && request.method() == Method::GET {
        headers.insert(REFRESH, HeaderValue::from_static(AGAIN_S));
    }
}

/// A page of few words.
pub(super) fn message(
    request: &HttpRequest,
    storefront: &Storefront,
    [heading, text]: [&str; 2],
    way: Option<(&str, &str)>,
) -> Result<HttpResponse, ApiError> {
    let cart = storefront.cart(request);
    let badge = Badge {
        units: cart.units(),
        total: None,
    };
    let template = Message {
        frame: storefront.frame(badge, false),
        heading,
        text,
        way,
        request_id: spans::request_id(),
    };
    let page = Representation::page(request, rendered(&template)?.into_bytes());
    Ok(page.whole(request))
}

/// The page, as one that cannot be had right now.
///
/// # Errors
/// The same as JSON, for a client that does not ask for HTML.
pub(super) fn unavailable(
    request: &HttpRequest,
    mut response: HttpResponse,
) -> Result<HttpResponse, ApiError> {
    if !accepts_html(request.headers()) {
        return Err(ApiError::Unavailable);
    }
    failed(request, &mut response, StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(response)
}
