//! `limit`, `cursor` and the `Link` header: what lists have in common.

use actix_web::http::header::HeaderValue;
use percent_encoding::percent_decode_str;

use crate::http::ApiError;

/// The largest page.
pub(crate) const MAX_LIMIT: usize = 100;

/// The parameters of a query string. Unknown ones are ignored.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Decodes `name=value&…`.
    ///
    /// # Errors
    /// 400 for text that is not UTF-8, for control characters, and for a name that stands twice.
    pub(crate) fn parse(query: &str) -> Result<Parameters, ApiError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if name.chars().chain(value.chars()).any(char::is_control) {
                return Err(invalid(&name, "holds a control character"));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(invalid(&name, "stands twice"));
            }
            parameters.push((name, value));
        }
        Ok(Parameters(parameters))
    }

    /// The value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(value)
    }

    /// The same where an empty value means none: forms send empty fields, too.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// `limit`: 1 to 100; empty or absent: none.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.filled("limit") else {
            return Ok(None);
        };
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(limit)),
            _ => Err(invalid("limit", "is a whole number from 1 to 100")),
        }
    }

    /// `cursor`, understood by `parse`; empty or absent: none.
    pub(crate) fn cursor<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
        let Some(text) = self.filled("cursor") else {
            return Ok(None);
        };
        parse(text)
            .map(Some)
            .ok_or_else(|| invalid("cursor", "is taken as it is from a Link header"))
    }
}

/// `<target>; rel="next"`, RFC 8288.
pub(crate) fn next_link(target: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("<{target}>; rel=\"next\"")).unwrap_or(HeaderValue::from_static(""))
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| ApiError::malformed("invalid_parameter", "the query is not UTF-8"))
}

/// 400: the parameter cannot be used.
pub(crate) fn invalid(name: &str, problem: &str) -> ApiError {
    let name: String = name.chars().take(40).flat_map(char::escape_default).collect();
    ApiError::malformed("invalid_parameter", format!("{name}: {problem}"))
}
