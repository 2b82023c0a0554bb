//! What texts of the data files look like.

use chrono::{DateTime, Datelike as _, SubsecRound as _, Utc};
use uuid::Uuid;

/// A text of 1 to `max` characters without controls (NUL included) and without blanks at its ends.
pub(crate) fn words(max: usize) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if text.chars().any(char::is_control) {
            Err("has a control character".into())
        } else if text.trim() != text {
            Err("has blanks at its ends".into())
        } else if text.is_empty() || text.chars().nth(max).is_some() {
            Err(format!("has not 1 to {max} characters"))
        } else {
            Ok(text.into())
        }
    }
}

/// A UUID in its usual form of 36 characters.
pub(crate) fn uuid(text: &str) -> Result<Uuid, &'static str> {
    Some(text)
        .filter(|text| text.len() == 36)
        .and_then(|text| Uuid::try_parse(text).ok())
        .ok_or("is not a UUID")
}

/// An RFC 3339 time in the years 1970 to 9999, cut to the microsecond that the database keeps.
pub(crate) fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc).trunc_subsecs(6))
        .ok()
        .filter(|time| (1970..=9999).contains(&time.year()))
        .ok_or("is not a time like 2026-01-31T12:00:00Z, in the years 1970 to 9999")
}

/// An address of 3 to 254 printable ASCII characters with one `@` inside.
pub(crate) fn email(text: &str) -> Result<String, &'static str> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    match text.split_once('@') {
        Some((name, host)) if printable && !name.is_empty() && !host.is_empty() && !host.contains('@') => {
            if text.len() <= 254 {
                Ok(text.into())
            } else {
                Err("has more than 254 characters")
            }
        }
        _ => Err("is not an e-mail address in ASCII"),
    }
}

/// A whole number from `min` to `max`, digits only.
pub(crate) fn number(min: i64, max: i64) -> impl Fn(&str) -> Result<i64, String> {
    move |text| {
        Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| format!("is not a whole number from {min} to {max}"))
    }
}
