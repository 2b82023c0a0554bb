//! Settings of the console.

use serde::Deserialize;

/// The settings; keys, ranges and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub port: Option<u16>,
    pub bind_address: String,
    pub read_only: bool,
    pub trace_url: Option<String>,
}

/// Variables and the keys that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("CONSOLE_PORT", "console.port"),
    ("CONSOLE_BIND_ADDRESS", "console.bind_address"),
    ("CONSOLE_READ_ONLY", "console.read_only"),
    ("CONSOLE_TRACE_URL", "console.trace_url"),
];
