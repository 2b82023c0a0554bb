//! Spans of what the database is asked to do.

use process::failure::Failure;
use process::telemetry;
use tracing::{Instrument as _, Span, field, info_span};

/// Runs a group of statements in a client span named after what they do and, if it is one, to which
/// table.
///
/// # Errors
/// Those of `work`; the span then has status Error.
pub(super) async fn traced<T>(
    operation: &'static str,
    table: Option<&'static str>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let span = span(operation, table);
    let result = work.instrument(span.clone()).await;
    if let Err(failure) = &result {
        telemetry::fail(&span, failure);
    }
    result
}

fn span(operation: &'static str, table: Option<&'static str>) -> Span {
    let span = info_span!(
        "database.statement",
        otel.name = field::Empty,
        otel.kind = "client",
        db.system.name = "postgresql",
        db.operation.name = operation,
        db.collection.name = table
    );
    match table {
        Some(table) => span.record("otel.name", format!("{operation} {table}")),
        None => span.record("otel.name", operation),
    };
    span
}
