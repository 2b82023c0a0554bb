//! The span of an attempt, linked to the request that enqueued the job.

use job_queue::{Observer, PlainSpans, Run};
use process::telemetry::RequestSampler;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Spans `job.execute`.
pub(super) struct JobSpans;

impl Observer for JobSpans {
    fn span(&self, run: &Run) -> Span {
        let span = PlainSpans.span(run);
        if let Some(context) = run.trace_context().and_then(RequestSampler::parse) {
            span.add_link(context);
        }
        span
    }

    fn failed(&self, span: &Span, error: &anyhow::Error) {
        process::telemetry::fail(span, error.as_ref());
    }
}
