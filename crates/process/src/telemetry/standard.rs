//! OpenTelemetry's standard variables: names in any case and lists; values that are not known here
//! are warned of and ignored, since operators set the variables for all pods alike.

use opentelemetry::KeyValue;
use percent_encoding::percent_decode_str;

use super::Settings;
use crate::settings;

/// Variables that other programs may honor.
const NOT_HONORED: [&str; 18] = [
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_CONCURRENT_EXPORTS",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
];

/// Limits that the SDK reads by itself; it ignores what is no number in silence.
const LIMITS: [&str; 3] = [
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
];

/// The one protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// Warns of variables that are set and change nothing.
pub(super) fn check_ignored(warnings: &mut Vec<String>) {
    let is_set = |name: &&str| settings::variable(name).is_some();
    let ignored: Vec<&str> = NOT_HONORED.into_iter().filter(|name| is_set(name)).collect();
    if !ignored.is_empty() {
        warnings.push(format!("{}: not honored here; ignored", ignored.join(", ")));
    }
}

/// Warns of limits that are no numbers.
pub(super) fn check_limits(warnings: &mut Vec<String>) {
    for name in LIMITS {
        let limit = settings::lossy(name).filter(|limit| !limit.is_empty());
        if limit.is_some_and(|limit| limit.parse::<u32>().is_err()) {
            warnings.push(format!("{name}: not a whole number; ignored"));
        }
    }
}

/// Warns of values that are no text of one line; they count as not set.
pub(super) fn check_texts(warnings: &mut Vec<String>) {
    for (name, _) in super::ENVIRONMENT {
        if let Some(problem) = settings::ignored(name) {
            warnings.push(format!("{name}: {problem}; ignored"));
        }
    }
}

/// Whether requests are compressed: `gzip` or `none`, for traces or for everything.
pub(super) fn is_compressed(warnings: &mut Vec<String>) -> bool {
    for name in [
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
    ] {
        let compression = settings::lossy(name).unwrap_or_default();
        match compression.trim().to_ascii_lowercase().as_str() {
            "" => (),
            "gzip" => return true,
            "none" => return false,
            _ => warnings.push(format!("{name}: neither gzip nor none; ignored")),
        }
    }
    false
}

pub(super) fn is_disabled(settings: &Settings, warnings: &mut Vec<String>) -> bool {
    match settings.sdk_disabled.0.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => true,
        "" | "false" | "0" | "off" | "no" => false,
        _ => {
            warnings.push("OTEL_SDK_DISABLED: neither true nor false; ignored".into());
            false
        }
    }
}

/// Whether spans are sent: unless the list of exporters has `none` and not `otlp`.
pub(super) fn exports(settings: &Settings, warnings: &mut Vec<String>) -> bool {
    let names = list(&settings.traces_exporter);
    for name in names
        .iter()
        .filter(|name| !["otlp", "none"].contains(&name.as_str()))
    {
        warnings.push(format!(
            "OTEL_TRACES_EXPORTER: `{name}` is not one of otlp, none; ignored"
        ));
    }
    let has = |name: &str| names.iter().any(|listed| listed == name);
    has("otlp") || !has("none")
}

pub(super) fn check_protocol(settings: &Settings, warnings: &mut Vec<String>) {
    let (name, protocol) = match settings.otlp_traces_protocol.trim() {
        "" => ("OTEL_EXPORTER_OTLP_PROTOCOL", settings.otlp_protocol.trim()),
        protocol => ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol),
    };
    if !protocol.is_empty() && !protocol.eq_ignore_ascii_case(PROTOCOL) {
        warnings.push(format!(
            "{name}: `{protocol}` is not spoken here; spans go by {PROTOCOL}, which collectors take at port 4318"
        ));
    }
}

pub(super) fn check_propagators(settings: &Settings, warnings: &mut Vec<String>) {
    for name in list(&settings.propagators) {
        if !["tracecontext", "baggage"].contains(&name.as_str()) {
            warnings.push(format!(
                "OTEL_PROPAGATORS: `{name}` is not read here; a caller's trace is joined by the header traceparent"
            ));
        }
    }
}

/// The attributes of the resource, decoded; a list that cannot be read is dropped whole.
pub(super) fn attributes(settings: &Settings, warnings: &mut Vec<String>) -> Vec<KeyValue> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text.trim()).decode_utf8().ok()?;
        Some(text.into_owned())
    };
    let pairs = settings.resource_attributes.split(',').map(str::trim);
    let attributes: Option<Vec<KeyValue>> = pairs
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some(KeyValue::new(
                decoded(key).filter(|key| !key.is_empty())?,
                decoded(value)?,
            ))
        })
        .collect();
    attributes.unwrap_or_else(|| {
        warnings.push("OTEL_RESOURCE_ATTRIBUTES: not a list of key=value; ignored".into());
        Vec::new()
    })
}

fn list(text: &str) -> Vec<String> {
    let names = text.split(',').map(|name| name.trim().to_ascii_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}
