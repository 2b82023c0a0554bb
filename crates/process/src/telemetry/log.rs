//! Log lines on standard error: JSON for machines, text for people.

use std::fmt;
use std::io::IsTerminal as _;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::{LogFormat, Settings};
use crate::failure::{ExitCode, Failure};

/// Levels of verbose libraries, whose lines repeat ours; a directive overrides them.
const QUIET: &str =
    "h2=warn,hyper=warn,hyper_util=warn,mio=warn,reqwest=warn,rustls=warn,tower=warn,want=warn";

/// The filter of log lines: `log_level`, laid over the quiet libraries.
///
/// # Errors
/// `Usage`, naming `LOG_LEVEL`: not a level and not a directive.
pub(super) fn filter(settings: &Settings) -> Result<EnvFilter, Failure> {
    let parts: Vec<&str> = settings
        .log_level
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let directives = if parts.is_empty() {
        "info".to_owned()
    } else {
        parts.join(",")
    };
    let wrong = || {
        let levels = "off, error, warn, info, debug, trace, or directives target=level beside one";
        Failure::new(
            ExitCode::Usage,
            format!("LOG_LEVEL: `{directives}` is not one of {levels}"),
        )
    };
    // A bare word that is no level would name a target and silence all others: surely a typo.
    let mut bare_words = directives
        .split(',')
        .filter(|part| !part.contains(['=', '[', ']', '{', '}']));
    if bare_words.any(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(wrong());
    }
    EnvFilter::builder()
        .parse(format!("{QUIET},{directives}"))
        .map_err(|_| wrong())
}

/// True if lines are JSON.
pub(super) fn is_json(settings: &Settings) -> bool {
    match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal(),
    }
}

/// True if standard error is a terminal.
pub(super) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// True for lines that no level brings into the log: OpenTelemetry about itself (the exporter
/// reports failures), and the database driver below `info`, which would show parameters.
pub(super) fn is_never_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target.starts_with("opentelemetry")
        || (target.starts_with("tokio_postgres") && *metadata.level() > Level::INFO)
}

/// One flat JSON object per line: `timestamp`, `level`, `target`, `message`, the event's fields,
/// `span` (the innermost span and its fields), and `trace_id` and `span_id` while a kept span is
/// active.
pub(super) struct Json;

impl<S> FormatEvent<S, JsonFields> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("timestamp".into(), timestamp().into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        if let Some(region) = super::region::region() {
            line.insert("target_region".into(), region.as_ref().into());
        }
        event.record(&mut Fields(&mut line));
        if let Some(span) = context.lookup_current() {
            line.insert("span".into(), describe(&span));
        }
        Context::map_current(|current| {
            let span = current.span();
            let ids = span.span_context();
            if ids.is_valid() && ids.is_sampled() {
                line.insert("trace_id".into(), ids.trace_id().to_string().into());
                line.insert("span_id".into(), ids.span_id().to_string().into());
            }
        });
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// One line of text per event, with the region at its end if there is one.
pub(super) struct Text(Format);

impl Text {
    pub(super) fn new() -> Text {
        Text(Format::default().with_ansi(is_terminal()))
    }
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(region) = super::region::region() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{} target_region={region:?}", line.trim_end())
    }
}

fn timestamp() -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

fn describe<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Value {
    let mut described = Map::new();
    described.insert("name".into(), span.name().into());
    if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>()
        && let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields)
    {
        described.extend(fields);
    }
    Value::Object(described)
}

/// Adds an event's fields to the line.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        match field.name() {
            // An event that came through the `log` crate has its real target here.
            "log.target" => self.0.insert("target".into(), value),
            name if name.starts_with("log.") => None,
            name => self.0.insert(name.into(), value),
        };
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field, crate::failure::line(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }
}
