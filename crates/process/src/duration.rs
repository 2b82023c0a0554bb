//! Durations on the command line: whole seconds, or a number with its unit.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A parser for clap: `45` (seconds), `90s`, `5m`, `2h`, `1day 12h`, within `accepted`.
///
/// # Errors
/// One sentence with the accepted forms and range; fractions of a second are refused.
pub fn within(
    accepted: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let seconds = match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().ok().map(Duration::from_secs),
            false => humantime::parse_duration(text).ok(),
        };
        seconds
            .filter(|duration| duration.subsec_nanos() == 0 && accepted.contains(duration))
            .ok_or_else(|| {
                let [least, most] =
                    [accepted.start(), accepted.end()].map(|end| humantime::format_duration(*end));
                format!("whole seconds or a time such as 90s, 5m or 2h is expected, from {least} to {most}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_time_is_seconds_or_says_its_unit() {
        let parse = within(Duration::ZERO..=1000 * DAY);
        for (text, seconds) in [
            ("0", 0),
            ("0m", 0),
            ("45", 45),
            ("45s", 45),
            ("90m", 5400),
            ("12h", 43_200),
            ("2d", 172_800),
            ("1h 30m", 5400),
            ("1.5h", 5400),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "-1",
            "+1",
            "12H",
            "1ｈ",
            "500ms",
            "9999999999d",
            "18446744073709551615d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_out_of_range_is_refused_with_the_range() {
        let parse = within(Duration::from_secs(1)..=DAY);

        assert_eq!((parse("1"), parse("24h")), (Ok(Duration::from_secs(1)), Ok(DAY)));
        for text in ["0", "0m", "25h", "86401", "18446744073709551615"] {
            let expected = "whole seconds or a time such as 90s, 5m or 2h is expected, from 1s to 1day";
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
    }
}
