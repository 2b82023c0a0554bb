//! What texts of the data files look like.

use chrono::{DateTime, Datelike as _, SubsecRound as _, Utc};
use uuid::Uuid;

/// A text of 1 to `max` characters without controls (NUL included), with something to see, and
/// without blanks at its ends.
pub(crate) fn words(max: usize) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if text.chars().any(char::is_control) {
            Err("has a control character".into())
        } else if text.trim_matches(is_blank) != text {
            Err("has blanks at its ends".into())
        } else if text.is_empty() || text.chars().nth(max).is_some() {
            Err(format!("has not 1 to {max} characters"))
        } else if text.chars().all(is_invisible) {
            Err("has no visible character".into())
        } else {
            Ok(text.into())
        }
    }
}

/// Whether a character is a blank at the end of a text: the blanks of Unicode, and those without
/// width that editors and spreadsheets leave behind. Other characters without width may belong to
/// the one before: joiners, selectors, accents.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// Whether a character shows nothing by itself: blanks, formats, marks, and those that are defined
/// as empty.
fn is_invisible(character: char) -> bool {
    let is_escaped = !character.is_ascii() && character.escape_debug().len() > 1;
    is_blank(character)
        || is_escaped
        || matches!(
            character,
            '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_anything_to_see_are_refused() {
        for text in [
            "\u{200b}",
            "\u{feff}",
            "\u{200d}\u{200c}",
            "\u{ad}",
            "\u{2060}\u{2063}",
            "\u{180e}",
            "\u{3164}",
            "\u{2800}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{fe0f}",
            "\u{301}",
            "\u{e0020}",
            "\u{202e}\u{202c}",
            "\u{200e}\u{a0}\u{200f}",
            "\u{2066}\u{2069}",
            "\u{feff}Pizza",
            "Pizza\u{200b}",
            "\u{3000}Pizza",
            "\u{a0}",
            "\u{85}",
            "\u{2028}",
        ] {
            assert!(words(200)(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_script_can_be_written() {
        for text in [
            "Crêpe",
            "Cre\u{302}pe",
            "中華まん",
            "فلافل",
            "\u{200f}فلافل\u{200f}",
            "כריך",
            "ไข่เจียว",
            "김밥",
            "👩\u{200d}🍳 special",
            "I ❤\u{fe0f}",
            "क्\u{200d}ष",
            "½",
            "\"",
            "'",
            "–",
            "7",
        ] {
            assert_eq!(words(200)(text).as_deref(), Ok(text), "{text:?}");
        }
    }
}
