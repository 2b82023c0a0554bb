//! Logs and traces, the same in every service.
//!
//! Logs go to standard error. Spans go to an OTLP/HTTP collector in the background: a missing or
//! slow collector is logged once, and never delays the start, a request or (by more than 2 s) the
//! end. The first span of each process of a pod belongs to one trace, the pod's start; each request
//! is a trace of its own.

mod endpoint;
mod export;
mod headers;
mod log;
mod pod_trace;
mod region;
mod sampling;
mod settings;
mod standard;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::{Status, TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Dispatch;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt};

pub use region::set_region;
pub use sampling::RequestSampler;
pub use settings::{ENVIRONMENT, Environment, LogFormat, NotAnEnvironment, Settings};

use crate::failure::{ExitCode, Failure, OrExit as _};
use pod_trace::{Ids, PodTrace};
use sampling::Rule;

/// Targets without spans and span events: above all the exporter's own requests, and the access
/// lines, which repeat the request's span.
const UNTRACED: [&str; 13] = [
    "access",
    "actix",
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "opentelemetry",
    "reqwest",
    "rustls",
    "tokio",
    "tokio_postgres",
    "tower",
    "want",
];

/// Which part a process plays in the trace of its pod's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes the root span: the first init container.
    Root,
    /// Joins below the root span.
    Member,
}

/// Logs and traces of this process; [`report::report`](crate::report::report) ends them.
#[derive(Debug)]
pub struct Telemetry {
    pod_trace: PodTrace,
    adopted: AtomicBool,
    sampler: RequestSampler,
}

static STARTED: AtomicBool = AtomicBool::new(false);

/// The provider that sends this process's spans, if tracing is on.
static SENDING: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Starts logs and traces for the whole process. `service` is the binary's name (`service.name`).
///
/// Call once, before anything is logged; does not wait for the collector.
///
/// # Errors
/// `Usage`, naming the environment variable, for a setting that is not valid; `Unexpected` if
/// called twice.
pub fn start(service: &'static str, role: Role, settings: &Settings) -> Result<Telemetry, Failure> {
    set_region(&settings.target_region);
    let prepared = prepare(service, settings, std::io::stderr)?;
    prepared
        .dispatch
        .clone()
        .try_init()
        .or_exit(ExitCode::Unexpected, "start telemetry")?;
    STARTED.store(true, Ordering::Relaxed);
    if let Some(provider) = prepared.provider.clone() {
        // The process's subscriber can be set once only, so this is empty still.
        let _ = SENDING.set(provider);
    }
    Ok(prepared.telemetry(role, settings))
}

/// True once log lines reach standard error.
pub(crate) fn started() -> bool {
    STARTED.load(Ordering::Relaxed)
}

/// Sends the spans of this process that wait, taking at most 2 s, and stops tracing; logs go on.
pub(crate) fn end() {
    if let Some(provider) = SENDING.get() {
        // The exporter has reported a missing collector; a provider that was ended has no spans
        // left.
        let _ = provider.shutdown_with_timeout(export::SHUTDOWN_TIMEOUT);
    }
}

/// Everything but the part that is one per process.
struct Prepared {
    dispatch: Dispatch,
    provider: Option<SdkTracerProvider>,
    rule: Rule,
    /// What the settings of tracing say that is not done.
    warnings: Vec<String>,
}

fn prepare<W>(service: &'static str, settings: &Settings, writer: W) -> Result<Prepared, Failure>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let mut warnings = Vec::new();
    let rule = Rule::from_settings(settings, &mut warnings);
    let endpoint = endpoint::resolve(settings, &mut warnings)?;
    let logged = log::filter(settings)?.and(filter_fn(|metadata| !log::is_never_logged(metadata)));
    let lines = fmt::layer().with_writer(writer);
    let lines = match log::is_json(settings) {
        true => lines
            .fmt_fields(JsonFields::new())
            .event_format(log::Json)
            .with_filter(logged)
            .boxed(),
        false => lines
            .with_ansi(log::is_terminal())
            .event_format(log::Text::new())
            .with_filter(logged)
            .boxed(),
    };
    let attributes = standard::attributes(settings, &mut warnings);
    let request = export::Request {
        headers: headers::from_environment(&mut warnings),
        compressed: standard::is_compressed(&mut warnings),
    };
    let provider = match endpoint.map(|url| export::provider(service, settings, attributes, &url, request)) {
        None => {
            // Of what is switched off nothing else is to be said.
            warnings.retain(|warning| {
                warning.starts_with("OTEL_SDK_DISABLED") || warning.starts_with("OTEL_TRACES_EXPORTER")
            });
            None
        }
        Some(provider) => {
            standard::check_propagators(settings, &mut warnings);
            standard::check_ignored(&mut warnings);
            standard::check_limits(&mut warnings);
            standard::check_texts(&mut warnings);
            provider
                .map_err(|problem| warnings.push(format!("traces are off: {problem:#}")))
                .ok()
        }
    };
    let spans = provider.as_ref().map(|provider| spans(provider, service).boxed());
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> =
        [Some(lines), spans].into_iter().flatten().collect();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layers));
    Ok(Prepared {
        dispatch,
        provider,
        rule,
        warnings,
    })
}

/// The layer that turns spans of level `info` and above into OpenTelemetry spans.
fn spans(provider: &SdkTracerProvider, service: &'static str) -> impl Layer<Registry> + Send + Sync {
    let untraced = UNTRACED.map(|target| (target, LevelFilter::OFF));
    OpenTelemetryLayer::new(provider.tracer(service))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_error_fields_to_exceptions(false)
        .with_error_records_to_exceptions(false)
        .with_filter(
            Targets::new()
                .with_default(LevelFilter::INFO)
                .with_targets(untraced),
        )
}

impl Prepared {
    /// The rest, once log lines have somewhere to go.
    fn telemetry(self, role: Role, settings: &Settings) -> Telemetry {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        let rule = self.provider.is_some().then_some(self.rule);
        Telemetry {
            pod_trace: PodTrace::resolve(role, settings, self.rule),
            adopted: AtomicBool::new(false),
            sampler: RequestSampler { rule },
        }
    }
}

impl Telemetry {
    /// Makes `span` the process's first span: it joins the trace of the pod's start.
    ///
    /// Call before the span is entered; spans below it follow by themselves. The first span a
    /// [`Role::Root`] adopts is the trace's root, a later one stands below it.
    pub fn adopt(&self, span: &tracing::Span) {
        if span.is_disabled() {
            return;
        }
        let adopted = match self.pod_trace {
            PodTrace::Root { trace, span: id } if !self.adopted.swap(true, Ordering::Relaxed) => {
                let root = span.set_parent(Context::new());
                if root.is_ok() {
                    Ids::preset(trace, id, || drop(span.context()));
                }
                root
            }
            _ => span.set_parent(self.pod_trace.parent()),
        };
        if let Some(region) = region::region() {
            span.set_attribute("target.region", region.to_string());
        }
        if let Err(error) = adopted {
            tracing::debug!(%error, "the first span does not join the trace of the pod's start");
        }
    }

    /// Decides which requests are traced.
    #[must_use]
    pub fn request_sampler(&self) -> RequestSampler {
        self.sampler
    }
}

/// True inside a span that is being recorded.
///
/// Make a child span (a database call) only then: below a request that is not traced it would
/// become the root of a trace of its own.
#[must_use]
pub fn recording() -> bool {
    Context::map_current(|current| current.has_active_span() && current.span().is_recording())
}

/// Marks `span` as failed: status Error, and an event `exception` with `exception.type` and
/// `exception.message` (the error with all its causes).
pub fn fail(span: &tracing::Span, error: &(dyn std::error::Error + 'static)) {
    let message = crate::failure::line(error);
    span.add_event(
        "exception",
        vec![
            KeyValue::new("exception.type", error_type(error)),
            KeyValue::new("exception.message", message.clone()),
        ],
    );
    span.set_status(Status::error(message));
}

/// The name of the error's type as far as it can be known: of a [`Failure`] its code, of others
/// the first word of their `Debug` form.
fn error_type(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return format!("{:?}", failure.code);
    }
    let debug = format!("{error:?}");
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let end = debug.find(|c| !is_part(c)).unwrap_or(debug.len());
    let (name, rest) = debug.split_at(end);
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase());
    let is_followed = rest.is_empty() || rest.trim_start().starts_with(['{', '(']);
    if is_name && is_followed {
        name.to_owned()
    } else {
        "error".to_owned()
    }
}
