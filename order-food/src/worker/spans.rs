//! The span of an attempt, linked to the request that enqueued the job.

use job_queue::{Observer, PlainSpans, Run};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Spans `job.execute`.
pub(super) struct JobSpans;

impl Observer for JobSpans {
    fn span(&self, run: &Run) -> Span {
        let span = PlainSpans.span(run);
        if let Some(context) = run.trace_context().and_then(span_context) {
            span.add_link(context);
        }
        span
    }

    fn failed(&self, span: &Span, error: &anyhow::Error) {
        process::telemetry::fail(span, error.as_ref());
    }
}

/// `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`
fn span_context(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (_version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_anything_else_is_none() {
        let context = span_context("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();

        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled());
        for other in [
            "",
            "00-x-y-z",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert!(span_context(other).is_none(), "{other}");
        }
    }
}
