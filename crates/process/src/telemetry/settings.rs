//! The settings section `[telemetry]`, the same in every service.

use crate::settings::Written;

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
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "telemetry.otlp_protocol"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "telemetry.otlp_traces_protocol",
    ),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
    ("OTEL_RESOURCE_ATTRIBUTES", "telemetry.resource_attributes"),
    ("OTEL_PROPAGATORS", "telemetry.propagators"),
    ("OTEL_TRACES_EXPORTER", "telemetry.traces_exporter"),
    ("OTEL_SDK_DISABLED", "telemetry.sdk_disabled"),
    ("OTEL_TRACES_SAMPLER", "telemetry.sampler"),
    ("OTEL_TRACES_SAMPLER_ARG", "telemetry.sampler_arg"),
    ("TARGET_REGION", "telemetry.target_region"),
    ("POD_UID", "telemetry.pod_uid"),
    ("TRACEPARENT", "telemetry.traceparent"),
];

/// The section `[telemetry]`. An empty text means that the key is not set.
///
/// The section of the default file:
/// ```toml
#[doc = include_str!("defaults.toml")]
/// ```
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A level (`off`, `error`, `warn`, `info`, `debug`, `trace`) or comma-separated directives
    /// `target=level` beside one; default `info`.
    pub log_level: String,
    /// How a log line looks; default `auto`.
    pub log_format: LogFormat,
    /// Name of the deployment; production lowers the sampling rate; default `development`.
    pub environment: Environment,
    /// Version shown on spans; default: the version this was built as.
    pub service_version: String,
    /// Jaeger collector, an OTLP/HTTP address or `none`; default
    /// `http://localhost:14268/api/traces`, which means `:4318/v1/traces` on the same host.
    pub jaeger_endpoint: String,
    /// OTLP/HTTP base address, `/v1/traces` is appended, or `none`; goes before `jaeger_endpoint`.
    pub otlp_endpoint: String,
    /// OTLP/HTTP address for traces, used as it is, or `none`; goes before `otlp_endpoint`.
    pub otlp_traces_endpoint: String,
    /// How spans are sent: `http/protobuf`, and nothing else.
    pub otlp_protocol: String,
    /// The same for traces alone; goes before `otlp_protocol`.
    pub otlp_traces_protocol: String,
    /// Name of the service on spans; default the program's.
    pub service_name: String,
    /// More attributes of the resource, `key=value` percent-encoded, separated by commas.
    pub resource_attributes: String,
    /// How the context of a caller is read: `tracecontext`, and nothing else.
    pub propagators: String,
    /// `otlp` or `none`; default `otlp`.
    pub traces_exporter: String,
    /// True switches tracing off, logs stay; default false.
    pub sdk_disabled: Written,
    /// One of OpenTelemetry's sampler names; default `parentbased_always_on`, in production
    /// `parentbased_traceidratio` with 0.01.
    pub sampler: String,
    /// Share of traces kept by the `traceidratio` samplers, 0 to 1; default 1, and 0.01 for
    /// production's default sampler.
    pub sampler_arg: Written,
    /// Region of the database that is worked on, on log lines and first spans.
    pub target_region: String,
    /// The pod's uid, 32 hex digits with or without dashes: the id of the trace of its start.
    pub pod_uid: String,
    /// W3C trace context that the start joins; goes before `pod_uid`.
    pub traceparent: String,
}

impl Settings {
    /// True if the deployment is called `prod` or `production`, in whatever case.
    #[must_use]
    pub fn production(&self) -> bool {
        self.environment.is_production()
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
            environment: Environment::default(),
            service_version: String::new(),
            jaeger_endpoint: "http://localhost:14268/api/traces".into(),
            otlp_endpoint: String::new(),
            otlp_traces_endpoint: String::new(),
            otlp_protocol: String::new(),
            otlp_traces_protocol: String::new(),
            service_name: String::new(),
            resource_attributes: String::new(),
            propagators: String::new(),
            traces_exporter: "otlp".into(),
            sdk_disabled: "false".into(),
            sampler: String::new(),
            sampler_arg: Written::default(),
            target_region: String::new(),
            pod_uid: String::new(),
            traceparent: String::new(),
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
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

/// The name of the deployment. `prod` and `production`, in whatever case, mean production; no other
/// name begins with `prod`, so that none is taken for it by mistake.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Environment(String);

/// A name that begins with `prod` and does not mean production.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` begins with `prod` and is neither `prod` nor `production`: write one of them, or another name"
)]
pub struct NotAnEnvironment(String);

impl Environment {
    /// The name, blanks around it ignored.
    ///
    /// # Errors
    /// [`NotAnEnvironment`] for a name such as `prod-eu`.
    pub fn parse(name: &str) -> Result<Self, NotAnEnvironment> {
        let environment = Self(name.trim().to_owned());
        if environment.0.to_lowercase().starts_with("prod") && !environment.is_production() {
            return Err(NotAnEnvironment(environment.0));
        }
        Ok(environment)
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_production(&self) -> bool {
        ["prod", "production"]
            .iter()
            .any(|name| self.0.eq_ignore_ascii_case(name))
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self("development".into())
    }
}

impl TryFrom<String> for Environment {
    type Error = NotAnEnvironment;

    fn try_from(name: String) -> Result<Self, NotAnEnvironment> {
        Self::parse(&name)
    }
}
