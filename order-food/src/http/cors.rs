//! CORS: preflight answers and headers.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use super::Origin;

/// Which origins a browser may call from.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    any: bool,
    origins: Vec<Origin>,
    credentials: bool,
    allowed_headers: HeaderValue,
}

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, OPTIONS");
/// What the API reads, what clients with a copy send, and what OpenTelemetry and Sentry add.
const ALLOWED_HEADERS: [&str; 14] = [
    "api_key",
    "X-API-Key",
    "Content-Type",
    "Idempotency-Key",
    "X-Request-ID",
    "Cache-Control",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Last-Event-ID",
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
];
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("ETag, Link, Retry-After, X-Request-ID");
const PREFLIGHT_LIFE: HeaderValue = HeaderValue::from_static("3600");

impl Cors {
    /// `*` among the origins means any; credentials are then never allowed, as the settings check.
    /// `headers` are allowed besides those that any client may send.
    pub(crate) fn new(origins: &[Origin], credentials: bool, headers: &[String]) -> Cors {
        let any = origins.iter().any(Origin::is_any);
        let mut allowed = ALLOWED_HEADERS.to_vec();
        for header in headers {
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(header)) {
                allowed.push(header);
            }
        }
        Cors {
            any,
            origins: origins.to_vec(),
            credentials: credentials && !any,
            // The settings check that these are names.
            allowed_headers: HeaderValue::from_str(&allowed.join(", "))
                .unwrap_or(HeaderValue::from_static("")),
        }
    }

    /// The answer to a preflight request, which needs no API key; `None` for every other request.
    pub(crate) fn preflight(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ORIGIN)
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !preflight {
            return None;
        }
        let mut response = HttpResponse::NoContent().finish();
        if self.allowed(request.headers()).is_some() {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_headers.clone());
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFE);
        }
        Some(response)
    }

    /// The `Access-Control-Allow-Origin` for a request with these headers; `None` when it has no
    /// origin or a foreign one.
    pub(crate) fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins
            .iter()
            .any(|allowed| origin == allowed.as_str())
            .then(|| origin.clone())
    }

    /// Adds to any response, errors included, what lets the page read it; credentials only where no
    /// cookies are looked at.
    pub(crate) fn permit(&self, allowed: Option<HeaderValue>, has_cookies: bool, response: &mut HeaderMap) {
        if !self.any {
            response.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = allowed else { return };
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        if self.credentials && !has_cookies {
            response.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}
