//! Sampling: decided once, where a trace begins; everything below follows the decision.

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{
    IdGenerator as _, ParentBasedSampler, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _,
};

use super::Settings;

/// Share of requests traced in production unless the settings say otherwise.
const PRODUCTION_SHARE: f64 = 0.01;

/// When a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    /// Whether the caller's own decision goes before `share`.
    parent_based: bool,
    /// Share of traces kept, 0 to 1.
    share: f64,
    /// Whether the settings name a sampler; if not, the trace of the start is always kept.
    explicit: bool,
}

impl Rule {
    /// Reads `sampler` and `sampler_arg`; unknown values are warned of and count as not set.
    pub(super) fn from_settings(settings: &Settings, warnings: &mut Vec<String>) -> Self {
        let argument = share(settings.sampler_arg.0.trim(), warnings);
        let sampler = settings.sampler.trim().to_ascii_lowercase();
        let default = match settings.production() {
            true => (true, argument.unwrap_or(PRODUCTION_SHARE)),
            false => (true, 1.0),
        };
        let known = match sampler.as_str() {
            "" => None,
            "parentbased_always_on" => Some((true, 1.0)),
            "parentbased_always_off" => Some((true, 0.0)),
            "parentbased_traceidratio" => Some((true, argument.unwrap_or(1.0))),
            "always_on" => Some((false, 1.0)),
            "always_off" => Some((false, 0.0)),
            "traceidratio" => Some((false, argument.unwrap_or(1.0))),
            other => {
                warnings.push(format!(
                    "OTEL_TRACES_SAMPLER: `{other}` is not one of always_on, always_off, traceidratio, \
                     parentbased_always_on, parentbased_always_off, parentbased_traceidratio; ignored"
                ));
                None
            }
        };
        let (parent_based, share) = known.unwrap_or(default);
        Self {
            parent_based,
            share,
            explicit: known.is_some(),
        }
    }

    /// Whether a trace is kept that begins here, or comes from `parent`.
    fn keeps(&self, parent: Option<&SpanContext>) -> bool {
        match parent.filter(|parent| parent.is_valid()) {
            Some(parent) if self.parent_based => parent.is_sampled(),
            Some(parent) => self.keeps_id(parent.trace_id()),
            // Any random id is as good as the id that the trace will get.
            None => self.keeps_id(RandomIdGenerator::default().new_trace_id()),
        }
    }

    /// Whether the trace of the pod's start is kept: unless the sampler or the caller says no.
    pub(super) fn keeps_start(&self, trace: TraceId, caller: Option<&SpanContext>) -> bool {
        match caller {
            Some(caller) => self.keeps(Some(caller)),
            None => !self.explicit || self.keeps_id(trace),
        }
    }

    /// The SDK's `traceidratio`: processes that know the id and the share decide alike.
    fn keeps_id(&self, id: TraceId) -> bool {
        let sampler = Sampler::TraceIdRatioBased(self.share);
        let sampled = sampler.should_sample(None, id, "", &SpanKind::Internal, &[], &[]);
        sampled.decision == SamplingDecision::RecordAndSample
    }
}

fn share(text: &str, warnings: &mut Vec<String>) -> Option<f64> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    if share.is_none() && !text.is_empty() {
        warnings.push("OTEL_TRACES_SAMPLER_ARG: not a number from 0 to 1; ignored".into());
    }
    share
}

/// Decides once per request whether it is traced; nothing else does.
///
/// Make a span for the request only if [`decide`](Self::decide) says so, with the incoming context
/// as its remote parent; spans below it are made only while [`recording`](super::recording).
#[derive(Clone, Copy, Debug)]
pub struct RequestSampler {
    /// `None`: tracing is off.
    pub(super) rule: Option<Rule>,
}

impl RequestSampler {
    /// Traces no request: for servers without telemetry.
    #[must_use]
    pub const fn off() -> Self {
        Self { rule: None }
    }

    /// Whether the request is traced, given the context that came with it, if any.
    #[must_use]
    pub fn decide(&self, parent: Option<&SpanContext>) -> bool {
        self.rule.is_some_and(|rule| rule.keeps(parent))
    }

    /// The remote context of a W3C `traceparent` header; `None` if it is not one.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<SpanContext> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let well_formed = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
        // Later versions may append parts; version 00 has none, and ff is none.
        if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let trace = TraceId::from_hex(trace).ok()?;
        let span = SpanId::from_hex(span).ok()?;
        Some(SpanContext::new(trace, span, flags, true, TraceState::NONE)).filter(SpanContext::is_valid)
    }
}

/// The tracer's sampler: keeps every span that is made, except below a local unsampled parent.
///
/// A span with a remote parent is made only after [`RequestSampler::decide`], so the caller's flag
/// no longer counts.
pub(super) fn already_sampled() -> ParentBasedSampler {
    Sampler::parent_based(Sampler::AlwaysOn).with_remote_parent_not_sampled(Sampler::AlwaysOn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Written;
    use crate::telemetry::Environment;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn settings(environment: &str, sampler: &str, argument: Option<f64>) -> Settings {
        Settings {
            environment: Environment::parse(environment).unwrap(),
            sampler: sampler.into(),
            sampler_arg: Written(argument.map(|share| share.to_string()).unwrap_or_default()),
            ..Settings::default()
        }
    }

    /// Share of 100,000 requests without a caller that are kept, in thousandths.
    fn kept(rule: Rule) -> u32 {
        let sampler = RequestSampler { rule: Some(rule) };
        let count = (0..100_000).filter(|_| sampler.decide(None)).count();
        u32::try_from(count).unwrap() / 100
    }

    #[test]
    fn each_sampler_keeps_what_its_name_says() {
        let (dev, prod) = ("development", "production");
        // (environment, sampler, argument) → thousandths kept, caller says yes, caller says no
        let table = [
            (dev, "", None, 1000..=1000, true, false),
            (dev, "", Some(0.0), 1000..=1000, true, false),
            (prod, "", None, 8..=12, true, false),
            (prod, "", Some(0.5), 480..=520, true, false),
            (prod, "always_on", None, 1000..=1000, true, true),
            (prod, "always_off", None, 0..=0, false, false),
            (prod, "traceidratio", None, 1000..=1000, true, true),
            (prod, "traceidratio", Some(0.0), 0..=0, false, false),
            (prod, "traceidratio", Some(0.25), 230..=270, true, true),
            (prod, "parentbased_always_on", None, 1000..=1000, true, false),
            (prod, "parentbased_always_off", None, 0..=0, true, false),
            (prod, "parentbased_traceidratio", None, 1000..=1000, true, false),
            (
                prod,
                "parentbased_traceidratio",
                Some(0.25),
                230..=270,
                true,
                false,
            ),
        ];
        // Its lower half lies at 3 % of the range: kept by a ratio of 0.25.
        let yes = RequestSampler::parse("00-0af7651916cd43dd0848eb211c80319c-b7ad6b7169203331-01").unwrap();
        let no = RequestSampler::parse("00-0af7651916cd43dd0848eb211c80319c-b7ad6b7169203331-00").unwrap();

        for (environment, name, argument, thousandths, caller_yes, caller_no) in table {
            let mut warnings = Vec::new();
            let rule = Rule::from_settings(&settings(environment, name, argument), &mut warnings);
            assert!(warnings.is_empty(), "{warnings:?}");
            let sampler = RequestSampler { rule: Some(rule) };
            let decided = [Some(&yes), Some(&no)].map(|caller| sampler.decide(caller));
            assert!(
                thousandths.contains(&kept(rule)),
                "{environment} {name} {argument:?}"
            );
            assert_eq!(
                decided,
                [caller_yes, caller_no],
                "{environment} {name} {argument:?}"
            );
        }
    }

    #[test]
    fn a_sampler_or_share_that_is_not_known_is_warned_of_and_counts_as_not_set() {
        let read = |sampler: &str, argument: &str| {
            let settings = Settings {
                sampler: sampler.into(),
                sampler_arg: argument.into(),
                ..settings("production", "", None)
            };
            let mut warnings = Vec::new();
            (Rule::from_settings(&settings, &mut warnings), warnings)
        };
        let (default, none) = read("", "");
        assert!(none.is_empty());

        for sampler in ["sometimes", "parentbased_jaeger_remote", "xray", "jaeger_remote"] {
            let (rule, warnings) = read(sampler, "endpoint=http://jaeger:14250,pollingIntervalMs=5000");
            assert_eq!(rule, default, "{sampler}");
            let [argument, named] = warnings.as_slice() else {
                panic!("{warnings:?}")
            };
            assert!(named.starts_with(&format!(
                "OTEL_TRACES_SAMPLER: `{sampler}` is not one of always_on"
            )));
            assert!(argument.starts_with("OTEL_TRACES_SAMPLER_ARG: not a number from 0 to 1"));
        }
        for share in ["1.01", "-0.1", "NaN", "1%"] {
            let (rule, warnings) = read("traceidratio", share);
            assert_eq!((rule, warnings.len()), (read("traceidratio", "").0, 1), "{share}");
        }
        assert_eq!(read("ALWAYS_ON", ""), read("always_on", ""));
        assert_eq!(
            read(" ParentBased_TraceIdRatio ", "0.25"),
            read("parentbased_traceidratio", "0.25")
        );
    }

    #[test]
    fn the_start_is_kept_unless_the_sampler_or_the_caller_says_no() {
        let trace = TraceId::from(u128::MAX);
        let rule =
            |name, argument| Rule::from_settings(&settings("production", name, argument), &mut Vec::new());
        let unsampled = RequestSampler::parse(&CALLER.replace("-01", "-00")).unwrap();

        assert!(rule("", None).keeps_start(trace, None));
        assert!(!rule("", None).keeps_start(trace, Some(&unsampled)));
        assert!(rule("always_on", None).keeps_start(trace, Some(&unsampled)));
        assert!(!rule("always_off", None).keeps_start(trace, None));
        assert!(!rule("parentbased_traceidratio", Some(0.99)).keeps_start(trace, None));
        assert!(rule("parentbased_traceidratio", Some(1.0)).keeps_start(trace, None));
    }

    #[test]
    fn without_tracing_no_request_is_kept() {
        assert!(!RequestSampler { rule: None }.decide(RequestSampler::parse(CALLER).as_ref()));
    }

    #[test]
    fn a_traceparent_is_read_as_w3c_defines_it() {
        let parsed = RequestSampler::parse(CALLER).unwrap();
        assert_eq!(parsed.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(parsed.span_id().to_string(), "b7ad6b7169203331");
        assert!(parsed.is_sampled() && parsed.is_remote());

        let later_version = RequestSampler::parse(&format!("cc{}-more", &CALLER[2..])).unwrap();
        assert!(later_version.is_sampled());

        for wrong in [
            "",
            "00",
            &CALLER.to_uppercase(),
            &format!("ff{}", &CALLER[2..]),
            &format!("{CALLER}-more"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319é-b7ad6b7169203331-01",
        ] {
            assert_eq!(RequestSampler::parse(wrong), None, "{wrong}");
        }
    }
}
