//! Settings of the console.

use serde::Deserialize;
use url::Url;

/// The settings; keys, ranges and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub port: Option<u16>,
    pub bind_address: String,
    pub read_only: bool,
    pub trace_url: Option<TraceUrl>,
}

/// Where a trace is looked at: an address whose path, query or fragment has `{trace_id}` in the
/// place of the id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TraceUrl(String);

/// No page can link to this.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: an address like https://jaeger.example/trace/{{trace_id}} is expected")]
pub struct NotATraceUrl(&'static str);

const PLACE: &str = "{trace_id}";
/// As long as ids are; no part of an address is changed by it.
const AN_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// Variables and the keys that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("CONSOLE_PORT", "console.port"),
    ("CONSOLE_BIND_ADDRESS", "console.bind_address"),
    ("CONSOLE_READ_ONLY", "console.read_only"),
    ("CONSOLE_TRACE_URL", "console.trace_url"),
];

impl TraceUrl {
    /// The address of this trace: 32 hexadecimal digits.
    pub(super) fn of(&self, trace_id: &str) -> String {
        self.0.replace(PLACE, trace_id)
    }
}

impl TryFrom<String> for TraceUrl {
    type Error = NotATraceUrl;

    fn try_from(text: String) -> Result<TraceUrl, NotATraceUrl> {
        if text
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
        {
            return Err(NotATraceUrl("has blanks or control characters inside"));
        }
        let trace = TraceUrl(text);
        let Ok(url) = Url::parse(&trace.of(AN_ID)) else {
            return Err(NotATraceUrl("is no address"));
        };
        let behind_host = [Some(url.path()), url.query(), url.fragment()];
        if !["http", "https"].contains(&url.scheme()) {
            Err(NotATraceUrl("begins with neither http:// nor https://"))
        } else if !url.username().is_empty() || url.password().is_some() {
            Err(NotATraceUrl("has a user or a password, which pages would show"))
        } else if !behind_host.iter().flatten().any(|part| part.contains(AN_ID)) {
            Err(NotATraceUrl("has no {trace_id} behind the host"))
        } else {
            Ok(trace)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_place_for_the_id_leads_to_the_trace() {
        for (text, address) in [
            (
                "https://jaeger.example/trace/{trace_id}",
                "https://jaeger.example/trace/ID",
            ),
            (
                "http://localhost:16686/trace/{trace_id}?uiFind=x",
                "http://localhost:16686/trace/ID?uiFind=x",
            ),
            (
                "https://tempo.example/explore?left={\"query\":\"{trace_id}\"}",
                "https://tempo.example/explore?left={\"query\":\"ID\"}",
            ),
            ("HTTPS://[::1]/#/traces/{trace_id}", "HTTPS://[::1]/#/traces/ID"),
        ] {
            let url = TraceUrl::try_from(text.to_owned()).unwrap();
            assert_eq!(url.of(AN_ID), address.replace("ID", AN_ID), "{text}");
        }
    }

    #[test]
    fn what_no_page_can_link_to_is_refused_in_words() {
        for (text, word) in [
            ("", "no address"),
            ("jaeger.example/trace/{trace_id}", "no address"),
            ("/trace/{trace_id}", "no address"),
            ("//jaeger.example/{trace_id}", "no address"),
            ("https://", "no address"),
            ("https:///{trace_id}:99999/", "no address"),
            ("javascript:alert('{trace_id}')", "neither http"),
            ("JavaScript:alert('{trace_id}')", "neither http"),
            ("data:text/html,{trace_id}", "neither http"),
            ("file:///trace/{trace_id}", "neither http"),
            ("httpx://jaeger.example/{trace_id}", "neither http"),
            ("jaeger:16686/trace/{trace_id}", "neither http"),
            ("https://jaeger.example/trace/", "no {trace_id}"),
            ("https://jaeger.example/trace/{traceId}", "no {trace_id}"),
            ("https://jaeger.example/trace/%7Btrace_id%7D", "no {trace_id}"),
            ("https://{trace_id}.example/", "no {trace_id}"),
            ("https://{trace_id}:word@jaeger.example/{trace_id}", "user"),
            ("https://jaeger.example/trace/{trace_id}\n", "blanks"),
            ("https://jaeger.example/\t{trace_id}", "blanks"),
            ("java\tscript:alert('{trace_id}')", "blanks"),
            (" https://jaeger.example/{trace_id}", "blanks"),
            ("https://jaeger.example/{trace_id}\u{85}", "blanks"),
        ] {
            let refusal = TraceUrl::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(refusal.contains(word), "{text}: {refusal}");
            assert!(
                refusal.contains("https://jaeger.example/trace/{trace_id}"),
                "{refusal}"
            );
        }
    }
}
