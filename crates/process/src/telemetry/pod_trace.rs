//! One trace per pod start: its id, its root span and the spans below.

use std::cell::Cell;
use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::sampling::Rule;
use super::{RequestSampler, Role, Settings};

/// Where the first span of this process belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PodTrace {
    /// A trace of its own, without `TRACEPARENT` and `POD_UID`. The flag tells whether it is kept.
    Own { kept: bool },
    /// The root span of the pod's trace, with ids that the other processes of the pod know.
    Root { trace: TraceId, span: SpanId },
    /// Below a span of another process.
    Below(SpanContext),
}

impl PodTrace {
    /// `TRACEPARENT` if given, else `POD_UID`, else a trace of its own. Unreadable
    /// values are ignored with a warning: a trace is not worth a failed start.
    pub(super) fn resolve(role: Role, settings: &Settings, rule: Rule) -> Self {
        if let Some(caller) = traceparent(settings) {
            let kept = rule.keeps_start(caller.trace_id(), Some(&caller));
            return Self::below(caller.trace_id(), caller.span_id(), kept);
        }
        let Some(uid) = pod_uid(settings) else {
            return Self::Own {
                kept: rule.keeps_start(RandomIdGenerator::default().new_trace_id(), None),
            };
        };
        let (trace, span) = (TraceId::from_bytes(uid.to_be_bytes()), root_span(uid));
        match (role, rule.keeps_start(trace, None)) {
            (Role::Root, true) => Self::Root { trace, span },
            (_, kept) => Self::below(trace, span, kept),
        }
    }

    fn below(trace: TraceId, span: SpanId, kept: bool) -> Self {
        let flags = if kept {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::NOT_SAMPLED
        };
        // The sampler drops below a parent that is neither remote nor sampled.
        Self::Below(SpanContext::new(trace, span, flags, kept, TraceState::NONE))
    }

    /// The parent of the spans that start now; for the root: of the spans below it.
    pub(super) fn parent(&self) -> Context {
        let parent = match self {
            Self::Own { kept: true } => return Context::new(),
            // Dropped by an unsampled parent: its ids never leave the process.
            Self::Own { kept: false } => {
                let ids = RandomIdGenerator::default();
                let flags = TraceFlags::NOT_SAMPLED;
                SpanContext::new(
                    ids.new_trace_id(),
                    ids.new_span_id(),
                    flags,
                    false,
                    TraceState::NONE,
                )
            }
            Self::Root { trace, span } => {
                SpanContext::new(*trace, *span, TraceFlags::SAMPLED, true, TraceState::NONE)
            }
            Self::Below(parent) => parent.clone(),
        };
        Context::new().with_remote_span_context(parent)
    }
}

fn traceparent(settings: &Settings) -> Option<SpanContext> {
    let given = settings.traceparent.trim();
    let parsed = RequestSampler::parse(given);
    if !given.is_empty() && parsed.is_none() {
        tracing::warn!("TRACEPARENT is not a W3C trace context; ignored");
    }
    parsed
}

fn pod_uid(settings: &Settings) -> Option<u128> {
    let given = settings.pod_uid.trim();
    let digits = given.replace('-', "");
    let is_uid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|uid| is_uid && *uid != 0);
    if !given.is_empty() && parsed.is_none() {
        tracing::warn!("POD_UID is not a uuid of 32 hex digits, or it is all zero; ignored");
    }
    parsed
}

/// The root span's id: the two halves of the uid folded together, so that every process of the pod
/// can name the root without having seen it.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn root_span(uid: u128) -> SpanId {
    let folded = (uid >> 64) as u64 ^ uid as u64;
    SpanId::from(folded.max(1))
}

thread_local! {
    /// Ids for the next span that starts on this thread.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, except for the one span that is started within [`Ids::preset`].
#[derive(Default)]
pub(super) struct Ids(RandomIdGenerator);

impl Ids {
    /// Gives the span that `start` starts on this thread these ids, and no other.
    pub(super) fn preset(trace: TraceId, span: SpanId, start: impl FnOnce()) {
        NEXT.set(Some((trace, span)));
        start();
        NEXT.set(None);
    }
}

// The SDK asks for the span's id first, then, if it has no parent, for the trace's.
impl IdGenerator for Ids {
    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }

    fn new_trace_id(&self) -> TraceId {
        NEXT.get()
            .map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

    fn of(uid: &str) -> Option<u128> {
        pod_uid(&Settings {
            pod_uid: uid.into(),
            ..Settings::default()
        })
    }

    #[test]
    fn a_pod_uid_is_32_hex_digits_with_or_without_dashes_and_not_zero() {
        let uid = 0x3f25_04e0_4f89_41d3_9a0c_0305_e82c_3301;

        assert_eq!(of(UID), Some(uid));
        assert_eq!(of(&UID.replace('-', "")), Some(uid));
        assert_eq!(of(&UID.to_uppercase()), Some(uid));
        for wrong in [
            "",
            "web-0",
            "3f2504e0",
            "00000000-0000-0000-0000-000000000000",
            &format!("+{}", &UID[1..]),
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_root_span_follows_from_the_uid_and_is_never_zero() {
        let halves_alike = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

        assert_eq!(
            root_span(of(UID).unwrap()),
            SpanId::from(0x3f25_04e0_4f89_41d3 ^ 0x9a0c_0305_e82c_3301)
        );
        assert_eq!(root_span(halves_alike), SpanId::from(1));
    }
}
