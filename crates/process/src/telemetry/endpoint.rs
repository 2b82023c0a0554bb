//! The address that spans are sent to.

use reqwest::Url;

use super::{Settings, standard};
use crate::failure::{ExitCode, Failure};

/// Where Jaeger's collector listens unless the settings say otherwise.
const JAEGER: &str = "http://localhost:14268/api/traces";

/// Port and path of Jaeger's own protocol; the same host takes OTLP/HTTP at the two below.
const JAEGER_PORT: u16 = 14268;
const JAEGER_PATH: &str = "/api/traces";
const OTLP_PORT: u16 = 4318;
const OTLP_PATH: &str = "/v1/traces";

/// The address that takes OTLP/HTTP requests, or `None` if tracing is off.
///
/// The first of `otlp_traces_endpoint`, `otlp_endpoint` and `jaeger_endpoint` that is set decides;
/// `none` there means off. Values of OpenTelemetry's own variables that are not known are warned of
/// and count as not set: operators set them for all pods alike.
///
/// # Errors
/// `Usage`: `JAEGER_ENDPOINT` is not an `http` or `https` address.
pub(super) fn resolve(settings: &Settings, warnings: &mut Vec<String>) -> Result<Option<Url>, Failure> {
    if standard::is_disabled(settings, warnings) || !standard::exports(settings, warnings) {
        return Ok(None);
    }
    standard::check_protocol(settings, warnings);
    let set = |value: &str| Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    let mut usable = |name, value: &str| {
        let parsed = parse(name, &set(value)?);
        parsed
            .map_err(|failure| warnings.push(format!("{}; ignored", failure.line())))
            .ok()
    };
    if let Some(address) = usable(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        &settings.otlp_traces_endpoint,
    ) {
        return Ok(address);
    }
    if let Some(address) = usable("OTEL_EXPORTER_OTLP_ENDPOINT", &settings.otlp_endpoint) {
        return Ok(address.map(with_otlp_path));
    }
    let address = set(&settings.jaeger_endpoint).unwrap_or_else(|| JAEGER.to_owned());
    Ok(parse("JAEGER_ENDPOINT", &address)?.map(from_jaeger))
}

fn is_none(value: &str) -> bool {
    value.eq_ignore_ascii_case("none")
}

fn parse(name: &str, address: &str) -> Result<Option<Url>, Failure> {
    if is_none(address) {
        return Ok(None);
    }
    // The address itself is not shown: it may carry a password.
    match Url::parse(address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => Err(Failure::new(
            ExitCode::Usage,
            format!("{name}: neither an http(s) address nor `none`"),
        )),
    }
}

fn with_otlp_path(mut url: Url) -> Url {
    let path = format!("{}{OTLP_PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn from_jaeger(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    if url.port() == Some(JAEGER_PORT) && (path == JAEGER_PATH || path.is_empty()) {
        // Cannot fail: an http(s) address with a host takes a port.
        let _ = url.set_port(Some(OTLP_PORT));
        url.set_path(OTLP_PATH);
    } else if path.is_empty() {
        url.set_path(OTLP_PATH);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_endpoint_that_is_set_decides() {
        // Traces endpoint, OTLP endpoint, Jaeger endpoint, address; `-`: none.
        let table = "
            - - - http://localhost:4318/v1/traces
            - - http://localhost:14268/api/traces http://localhost:4318/v1/traces
            - - http://jaeger.tracing:14268/api/traces http://jaeger.tracing:4318/v1/traces
            - - https://jaeger:14268/api/traces/ https://jaeger:4318/v1/traces
            - - http://[::1]:14268/api/traces http://[::1]:4318/v1/traces
            - - http://jaeger:14268 http://jaeger:4318/v1/traces
            - - http://jaeger:4318 http://jaeger:4318/v1/traces
            - - http://jaeger:4318/v1/traces http://jaeger:4318/v1/traces
            - - http://gateway/otlp/traces http://gateway/otlp/traces
            - - none -
            - http://otel:4318 http://jaeger:14268/api/traces http://otel:4318/v1/traces
            - http://otel:4318/ none http://otel:4318/v1/traces
            - http://otel/base - http://otel/base/v1/traces
            - none http://jaeger:14268/api/traces -
            http://traces:9/as/it/is http://otel:4318 http://jaeger http://traces:9/as/it/is
            http://traces:14268/api/traces - - http://traces:14268/api/traces
            NONE http://otel:4318 - -";

        for row in table.lines().skip(1) {
            let cell = |at| row.split_whitespace().nth(at).filter(|cell| *cell != "-");
            let text = |at| cell(at).unwrap_or_default().to_owned();
            let settings = Settings {
                otlp_traces_endpoint: text(0),
                otlp_endpoint: text(1),
                jaeger_endpoint: text(2),
                ..Settings::default()
            };
            let address = resolve(&settings, &mut Vec::new()).unwrap().map(String::from);
            assert_eq!(address.as_deref(), cell(3), "{row}");
        }
    }

    #[test]
    fn an_exporter_none_and_a_disabled_sdk_switch_tracing_off() {
        let exporter = Settings {
            traces_exporter: "none".into(),
            ..Settings::default()
        };
        let sdk = Settings {
            sdk_disabled: "TRUE".into(),
            ..Settings::default()
        };

        assert_eq!(resolve(&exporter, &mut Vec::new()).unwrap(), None);
        assert_eq!(resolve(&sdk, &mut Vec::new()).unwrap(), None);
    }

    #[test]
    fn a_wrong_jaeger_endpoint_is_named_and_not_shown() {
        let settings = Settings {
            jaeger_endpoint: "user:hunter2@jaeger".into(),
            ..Settings::default()
        };

        let failure = resolve(&settings, &mut Vec::new()).unwrap_err();

        assert_eq!(failure.code, ExitCode::Usage);
        assert_eq!(
            failure.line(),
            "JAEGER_ENDPOINT: neither an http(s) address nor `none`"
        );
    }

    #[test]
    fn a_wrong_endpoint_of_opentelemetry_is_warned_of_and_the_next_one_decides() {
        let settings = Settings {
            otlp_traces_endpoint: "collector:4317".into(),
            otlp_endpoint: "user:hunter2@collector".into(),
            jaeger_endpoint: "http://jaeger:4318".into(),
            ..Settings::default()
        };
        let mut warnings = Vec::new();

        let address = resolve(&settings, &mut warnings).unwrap().map(String::from);

        assert_eq!(address.as_deref(), Some("http://jaeger:4318/v1/traces"));
        assert_eq!(
            warnings,
            [
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: neither an http(s) address nor `none`; ignored",
                "OTEL_EXPORTER_OTLP_ENDPOINT: neither an http(s) address nor `none`; ignored",
            ]
        );
    }
}
