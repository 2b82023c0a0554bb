//! Headers of the requests that carry spans, as OpenTelemetry's variables list them.

use percent_encoding::percent_decode_str;
use reqwest::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::settings;

/// The first that is set decides, as a whole: the other one's credentials may be for another
/// collector.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// Headers that describe the request itself.
const RESERVED: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The headers of the variable that decides; empty without one.
pub(super) fn from_environment(warnings: &mut Vec<String>) -> HeaderMap {
    let is_set = |text: &String| !text.trim().is_empty();
    let set = VARIABLES
        .into_iter()
        .find_map(|name| Some((name, settings::lossy(name).filter(is_set)?)));
    set.map_or_else(HeaderMap::new, |(name, list)| parse(name, &list, warnings))
}

/// Reads `name=value` pairs, separated by commas, values percent-encoded.
///
/// Malformed entries are one warning, by number: their names, too, may be part of a credential.
pub(super) fn parse(variable: &str, list: &str, warnings: &mut Vec<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut faults = Vec::new();
    for (number, entry) in (1..).zip(list.split(',')) {
        let entry = entry.trim();
        match header(entry) {
            _ if entry.is_empty() => (),
            Err(fault) => faults.push(format!("entry {number} {fault}; it is left out")),
            Ok((name, value)) => {
                if !is_encoded(entry) {
                    faults.push(format!(
                        "entry {number} is not percent-encoded; it is sent as it is written"
                    ));
                }
                headers.insert(name, value);
            }
        }
    }
    if !faults.is_empty() {
        warnings.push(format!("{variable}: {}", faults.join(", ")));
    }
    headers
}

/// One entry, or the end of a sentence about it.
fn header(entry: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    if entry.contains('\u{fffd}') {
        return Err("is not UTF-8");
    }
    let (name, value) = entry.split_once('=').ok_or("has no `=`")?;
    let name: HeaderName = name
        .trim()
        .parse()
        .map_err(|_| "has a name that is no HTTP header name")?;
    if RESERVED.contains(&name) {
        return Err("names a header that every request sets by itself");
    }
    let decoded = percent_decode_str(value.trim()).decode_utf8();
    let text = match decoded {
        Ok(text) if is_encoded(entry) => text,
        _ => value.trim().into(),
    };
    if text.is_empty() {
        return Err("has no value");
    }
    let mut value: HeaderValue = text.parse().map_err(|_| "has a control character in its value")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Whether each `%` begins an octet, and the octets are UTF-8.
fn is_encoded(entry: &str) -> bool {
    let octets = entry
        .split('%')
        .skip(1)
        .all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
    octets && percent_decode_str(entry).decode_utf8().is_ok()
}
