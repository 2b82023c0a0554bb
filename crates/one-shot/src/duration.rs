//! Durations on the command line.

use std::time::Duration;

/// Reads a number of seconds, or numbers with units as humantime knows them (`90s`, `1h 30m`,
/// `2d`); at most `most`.
///
/// # Errors
/// Text that is no such duration, or one that is longer.
pub fn parse(text: &str, most: Duration) -> Result<Duration, String> {
    let parsed = match text.parse() {
        // A sign is no digit: `+1` is refused.
        Ok(seconds) if text.starts_with(|first: char| first.is_ascii_digit()) => {
            Some(Duration::from_secs(seconds))
        }
        _ => humantime::parse_duration(text).ok(),
    };
    parsed.filter(|duration| *duration <= most).ok_or_else(|| {
        let most = humantime::format_duration(most);
        format!("a number of seconds, or one with s, m, h or d behind it, is expected; at most {most}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_say_their_unit() {
        let most = Duration::from_secs(1000 * 24 * 60 * 60);
        for (text, seconds) in [
            ("0", 0),
            ("0s", 0),
            ("45", 45),
            ("45s", 45),
            ("90m", 5400),
            ("12h", 43_200),
            ("2d", 172_800),
            ("1h 30m", 5400),
        ] {
            assert_eq!(parse(text, most), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "-1",
            "+1",
            "1 x",
            "12H",
            "9999999999d",
            "18446744073709551615d",
            "1ｈ",
        ] {
            assert!(parse(text, most).is_err(), "{text}");
        }
    }
}
