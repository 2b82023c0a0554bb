//! Around each request: its id, a span when it is sampled, CORS, errors as JSON, the access line.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ResourceDef, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Array, Key, StringValue, Value};
use process::telemetry::RequestSampler;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Level, Span, debug, info, info_span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use super::cors::Cors;
use super::error::is_known;
use super::metrics::{HttpMetrics, OTHER};
use super::{ApiError, MAX_HEADER_BYTES};
use crate::spans;

/// The parts of the middleware; each thread of the server has its own.
#[derive(Clone)]
pub(crate) struct Observer {
    pub(crate) cors: Cors,
    pub(crate) sampler: RequestSampler,
    pub(crate) metrics: HttpMetrics,
    /// The request headers that spans carry.
    pub(crate) trace_headers: Arc<[(HeaderName, Key)]>,
    /// Cancelled once the process is about to stop.
    pub(crate) draining: CancellationToken,
}

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const MAX_REQUEST_ID: usize = 128;

/// The headers of these names, with the names of their attributes.
pub(crate) fn trace_headers(names: &[String]) -> Arc<[(HeaderName, Key)]> {
    let named = names.iter().filter_map(|name| name.parse::<HeaderName>().ok());
    named
        .map(|name| {
            let attribute = format!("http.request.header.{name}").into();
            (name, attribute)
        })
        .collect()
}

/// The middleware: see the module.
pub(crate) async fn observe(
    observer: web::Data<Observer>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let _active = observer.metrics.begin(&request);
    // An unknown method must not become a label of its own; no resource answers it anyway.
    if !is_known(request.method())
        && let Ok(other) = Method::from_bytes(OTHER.as_bytes())
    {
        request.head_mut().method = other;
    }
    let request_id = request_id(request.headers());
    let allowed_origin = observer.cors.allowed(request.headers());
    let has_cookies = has_cookies(request.path());
    let span = open_span(&observer, &request);
    let leaves_http = leaves_http(&request);

    let (mut response, request_id) = if header_bytes(request.headers()) > MAX_HEADER_BYTES {
        let refusal = ApiError::HeadersTooLarge.response(text(&request_id));
        (unrouted(request, refusal), request_id)
    } else if let Some(preflight) = observer.cors.preflight(&request) {
        (unrouted(request, preflight), request_id)
    } else {
        let answer = spans::identified(request_id, next.call(request));
        let (answered, request_id) = answer.instrument(span.clone()).await;
        let (request, answered) = answered?.into_parts();
        let answered = as_json(answered, text(&request_id));
        (ServiceResponse::new(request, answered), request_id)
    };

    observer
        .cors
        .permit(allowed_origin, has_cookies, response.headers_mut());
    // While draining, a client that keeps its connection goes elsewhere before the connection is
    // cut between two requests.
    if leaves_http || observer.draining.is_cancelled() {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    observer.metrics.answered(&response);
    close_span(&span, &response);
    access_line(&span, &response, started, &request_id);
    response.headers_mut().insert(X_REQUEST_ID, request_id);
    Ok(response)
}

/// The response to a request that is not routed: with the parameters of its path, which
/// actix-web-prom puts into the template.
fn unrouted(mut request: ServiceRequest, response: HttpResponse) -> ServiceResponse<BoxBody> {
    if let Some(template) = request.match_pattern() {
        ResourceDef::new(template).capture_match_info(request.match_info_mut());
    }
    request.into_response(response)
}

/// Whether the request asks to leave HTTP/1.1. It is answered as any other, but as the last of its
/// connection: actix-http reads no further requests on such a connection, and would close it
/// without a word.
fn leaves_http(request: &ServiceRequest) -> bool {
    request.head().connection_type() == ConnectionType::Upgrade
        || request.headers().contains_key(header::UPGRADE)
        || request.method() == Method::CONNECT
}

/// The client's id if it is sane (1 to 128 printable ASCII characters), else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
    };
    if let Some(sent) = headers.get(X_REQUEST_ID).filter(sane) {
        return sent.clone();
    }
    let mut text = Uuid::encode_buffer();
    let made: &str = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(made).unwrap_or(HeaderValue::from_static("-"))
}

/// The id as text: it is printable ASCII, ours or the client's.
fn text(request_id: &HeaderValue) -> &str {
    request_id.to_str().unwrap_or_default()
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// Every error gets its JSON body with the request's id.
fn as_json(response: HttpResponse<BoxBody>, request_id: &str) -> HttpResponse<BoxBody> {
    if let Some(error) = response.error().and_then(|error| error.as_error::<ApiError>()) {
        return error.response(request_id);
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    match is_error && response.error().is_some() {
        true if status.is_client_error() => {
            ApiError::malformed("bad_request", "the request cannot be understood").response(request_id)
        }
        true => ApiError::Internal.response(request_id),
        false => response,
    }
}

/// What asks every few seconds whether all is well: not worth a trace.
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];

/// The span of a sampled request, with OpenTelemetry's names; for the others none at all.
fn open_span(observer: &Observer, request: &ServiceRequest) -> Span {
    if PROBES.contains(&request.path()) {
        return Span::none();
    }
    let parent = request
        .headers()
        .get(TRACEPARENT)
        .and_then(|value| value.to_str().ok())
        .and_then(RequestSampler::parse);
    if !observer.sampler.decide(parent.as_ref()) {
        return Span::none();
    }
    let span = info_span!(
        "http.request",
        otel.kind = "server",
        http.request.method = if is_known(request.method()) {
            request.method().as_str()
        } else {
            "_OTHER"
        },
        http.route = Empty,
        http.response.status_code = Empty,
        url.path = shown_path(request.path()),
        url.scheme = "http",
        network.protocol.version = protocol_version(request.version()),
        user_agent.original = Empty,
        "error.type" = Empty,
    );
    if let Some(agent) = request
        .headers()
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
    {
        span.record("user_agent.original", agent);
    }
    for (header, attribute) in observer.trace_headers.iter() {
        let values = request.headers().get_all(header);
        let values: Vec<StringValue> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned().into())
            .collect();
        if !values.is_empty() {
            span.set_attribute(attribute.clone(), Value::Array(Array::String(values)));
        }
    }
    if let Some(parent) = parent {
        adopt(&span, parent);
    }
    span
}

/// Whether the path is one of the storefront, which knows its visitors by cookies.
fn has_cookies(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    first.is_some_and(|first| ["", "cart", "checkout", "order", "orders"].contains(&first))
}

/// The path without the token of an order's link, which opens the order to all that have it.
fn shown_path(path: &str) -> &str {
    match path.starts_with("/order/") {
        true => "/order/",
        false => path,
    }
}

/// The version without the protocol's name.
fn protocol_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

fn adopt(span: &Span, parent: SpanContext) {
    // Fails only when no exporter is set up: then the span goes nowhere.
    let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
}

fn close_span(span: &Span, response: &ServiceResponse<BoxBody>) {
    if span.is_disabled() {
        return;
    }
    let request = response.request();
    let route = request.match_pattern();
    let name = match &route {
        Some(route) => format!("{} {route}", request.method()),
        None => request.method().to_string(),
    };
    // A field `otel.name` counts before the span has begun only.
    span.context().span().update_name(name);
    if let Some(route) = route {
        span.record("http.route", route);
    }
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("error.type", status.as_str());
        span.set_status(opentelemetry::trace::Status::error(status.to_string()));
    }
}

/// One line per request: 5xx as warning, 4xx as information, the rest and what the probes were told
/// at debug.
fn access_line(span: &Span, response: &ServiceResponse<BoxBody>, started: Instant, request_id: &HeaderValue) {
    let status = response.status();
    let level = match status.as_u16() {
        _ if PROBES.contains(&response.request().path()) => Level::DEBUG,
        500.. => Level::WARN,
        400.. => Level::INFO,
        _ => Level::DEBUG,
    };
    if level > tracing::level_filters::LevelFilter::current() {
        return;
    }
    let request = response.request();
    let method = request.method().as_str();
    let route = request.match_pattern().unwrap_or_else(|| OTHER.into());
    let status = status.as_u16();
    // To the microsecond.
    let duration_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let request_id = text(request_id);
    let _entered = span.enter();
    match level {
        Level::WARN => warn!(target: "access", method, route, status, duration_ms, request_id, "request"),
        Level::INFO => info!(target: "access", method, route, status, duration_ms, request_id, "request"),
        _ => debug!(target: "access", method, route, status, duration_ms, request_id, "request"),
    }
}
