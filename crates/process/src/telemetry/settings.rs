//! The settings section `[telemetry]`, the same in every service.

use serde::Deserialize;

/// The environment variables of the section and the keys they set; a service adds them to its own.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("LOG_LEVEL", "telemetry.log_level"),
    ("LOG_FORMAT", "telemetry.log_format"),
    ("ENVIRONMENT", "telemetry.environment"),
    ("SERVICE_VERSION", "telemetry.service_version"),
    ("JAEGER_ENDPOINT", "telemetry.jaeger_endpoint"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "telemetry.otlp_traces_endpoint",
    ),
    ("OTEL_TRACES_EXPORTER", "telemetry.traces_exporter"),
    ("OTEL_SDK_DISABLED", "telemetry.sdk_disabled"),
    ("OTEL_TRACES_SAMPLER", "telemetry.sampler"),
    ("OTEL_TRACES_SAMPLER_ARG", "telemetry.sampler_arg"),
    ("POD_UID", "telemetry.pod_uid"),
    ("TRACEPARENT", "telemetry.traceparent"),
];

/// The section `[telemetry]`. An empty text means that the key is not set.
///
/// The section of the default file:
/// ```toml
#[doc = include_str!("defaults.toml")]
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A level (`off`, `error`, `warn`, `info`, `debug`, `trace`) or comma-separated directives
    /// `target=level` beside one; default `info`.
    pub log_level: String,
    /// How a log line looks; default `auto`.
    pub log_format: LogFormat,
    /// Name of the deployment; `production` lowers the sampling rate; default `development`.
    pub environment: String,
    /// Version shown on spans; default: the version this was built as.
    pub service_version: String,
    /// Jaeger collector, an OTLP/HTTP address or `none`; default
    /// `http://localhost:14268/api/traces`, which means `:4318/v1/traces` on the same host.
    pub jaeger_endpoint: String,
    /// OTLP/HTTP base address, `/v1/traces` is appended, or `none`; goes before `jaeger_endpoint`.
    pub otlp_endpoint: String,
    /// OTLP/HTTP address for traces, used as it is, or `none`; goes before `otlp_endpoint`.
    pub otlp_traces_endpoint: String,
    /// `otlp` or `none`; default `otlp`.
    pub traces_exporter: String,
    /// True switches tracing off, logs stay; default false.
    pub sdk_disabled: bool,
    /// One of OpenTelemetry's sampler names; default `parentbased_always_on`, in production
    /// `parentbased_traceidratio` with 0.01.
    pub sampler: String,
    /// Share of traces kept by the `traceidratio` samplers, 0 to 1; default 1, and 0.01 for
    /// production's default sampler.
    pub sampler_arg: Option<f64>,
    /// The pod's uid, 32 hex digits with or without dashes: the id of the trace of its start.
    pub pod_uid: String,
    /// W3C trace context that the start joins; goes before `pod_uid`.
    pub traceparent: String,
}

impl Settings {
    /// True if the deployment is called `production`, in whatever case and with blanks around it.
    #[must_use]
    pub fn production(&self) -> bool {
        self.environment().eq_ignore_ascii_case("production")
    }

    /// The name of the deployment without blanks around it.
    pub(super) fn environment(&self) -> &str {
        self.environment.trim()
    }

    /// A deployment's name that begins like `production` and does not mean it.
    pub(super) fn almost_production(&self) -> Option<&str> {
        let begins_so = |name: &str| name.to_ascii_lowercase().starts_with("prod");
        Some(self.environment()).filter(|name| begins_so(name) && !self.production())
    }

    /// The version shown on spans.
    #[must_use]
    pub fn version(&self) -> &str {
        match self.service_version.trim() {
            "" => env!("CARGO_PKG_VERSION"),
            version => version,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            log_level: "info".into(),
            log_format: LogFormat::Auto,
            environment: "development".into(),
            service_version: String::new(),
            jaeger_endpoint: "http://localhost:14268/api/traces".into(),
            otlp_endpoint: String::new(),
            otlp_traces_endpoint: String::new(),
            traces_exporter: "otlp".into(),
            sdk_disabled: false,
            sampler: String::new(),
            sampler_arg: None,
            pod_uid: String::new(),
            traceparent: String::new(),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text if standard error is a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}
