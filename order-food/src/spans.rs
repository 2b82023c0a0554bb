//! What a request leaves behind: client spans of its database calls while it is sampled, its id on
//! the lines that explain a failure.

use std::future::Future;

use actix_web::http::header::HeaderValue;
use futures_util::TryFutureExt;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::{Instrument, Span, error, info_span};

tokio::task_local! {
    static REQUEST_ID: HeaderValue;
}

/// Runs `request` so that [`request_id`] answers its id within, and gives the id back.
pub(crate) async fn identified<F: Future>(id: HeaderValue, request: F) -> (F::Output, HeaderValue) {
    let mut scope = std::pin::pin!(REQUEST_ID.scope(id, request));
    let output = scope.as_mut().await;
    // There until it is taken.
    let id = scope.take_value().unwrap_or(HeaderValue::from_static("-"));
    (output, id)
}

/// The id of the request that is being answered; `None` outside of one.
pub(crate) fn request_id() -> Option<String> {
    REQUEST_ID
        .try_with(|id| String::from_utf8_lossy(id.as_bytes()).into_owned())
        .ok()
}

/// The W3C traceparent of the request that is being answered, for what it leaves to be done; `None`
/// while it is not sampled.
pub(crate) fn traceparent() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span().span_context().clone();
        let (trace, id) = (span.trace_id(), span.span_id());
        (span.is_valid() && span.is_sampled()).then(|| format!("00-{trace}-{id}-01"))
    })
}

/// Runs `statement` within a client span called `name` (operation, then table) when the current
/// request is sampled.
pub(crate) fn database<T, E, F>(name: &'static str, statement: F) -> impl Future<Output = Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
    E: std::error::Error + 'static,
{
    // Without a sampled parent the span would be a trace of its own.
    let span = match process::telemetry::recording() {
        true => client_span(name),
        false => Span::none(),
    };
    statement.instrument(span.clone()).inspect_err(move |error| {
        if !span.is_none() {
            process::telemetry::fail(&span, error);
        }
    })
}

fn client_span(name: &'static str) -> Span {
    let operation = name.split(' ').next().unwrap_or(name);
    info_span!(
        "database.query",
        otel.name = name,
        otel.kind = "client",
        db.system.name = "postgresql",
        db.operation.name = operation,
        db.query.summary = name,
    )
}

/// Logs a failure once, with its causes, and marks the current span with it.
pub(crate) fn failed(failure: &(dyn std::error::Error + 'static), what: &str) {
    process::telemetry::fail(&Span::current(), failure);
    error!(
        error = process::failure::line(failure),
        request_id = request_id(),
        "{what}"
    );
}
