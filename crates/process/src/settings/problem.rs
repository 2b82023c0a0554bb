//! The error of a setting, and the one line that names the setting.

use std::fmt;

use config::{Value, ValueKind};
use serde::de::{self, Expected, Unexpected};
use serde_path_to_error::{Path, Segment};

use super::Source;
use super::text::NotAValue;

/// Parts of keys whose values are never shown; a URL may carry a password.
const SECRET: [&str; 5] = ["url", "password", "key", "secret", "token"];

/// Whether the value of this key is never shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET.iter().any(|word| key.contains(word))
}

/// The reason why a value does not fit the settings struct.
#[derive(Debug)]
pub(super) enum Problem {
    NotA { shown: String, expected: String },
    Refused(String),
    NotAValue(NotAValue),
    UnknownKey(&'static [&'static str]),
    Missing(&'static str),
}

impl Problem {
    /// One line that names the setting: by its environment variable, else by file and key.
    pub(super) fn line(&self, path: &Path, settings: &Value, source: &Source) -> String {
        let mut key = path.to_string();
        if let Self::Missing(field) = self {
            key = if path.iter().len() == 0 {
                (*field).to_owned()
            } else {
                format!("{key}.{field}")
            };
            let variable = source.environment.iter().find(|(_, other)| *other == key);
            return variable.map_or_else(
                || format!("{key}: not set"),
                |(name, _)| format!("{name}: not set (key {key})"),
            );
        }
        let place = match (variable(settings, path), &source.file) {
            (Some(name), _) => name.to_owned(),
            (None, Some(file)) => format!("{}: {key}", file.display()),
            (None, None) => key.clone(),
        };
        let is_secret = is_secret(&key);
        let problem = match self {
            Self::NotA { expected, .. } if is_secret => format!("the value (redacted) is not {expected}"),
            Self::Refused(_) if is_secret => "the value (redacted) is not accepted".to_owned(),
            _ => self.to_string(),
        };
        format!("{place}: {problem}").replace(['\n', '\r'], " ")
    }

    fn not_a(shown: &impl fmt::Display, expected: &impl fmt::Display) -> Self {
        Self::NotA {
            shown: shown.to_string(),
            expected: expected.to_string(),
        }
    }
}

/// The variable that set the value at `path` or the list around it.
fn variable<'a>(settings: &'a Value, path: &Path) -> Option<&'a str> {
    let value = path
        .iter()
        .fold(settings, |value, segment| match (&value.kind, segment) {
            (ValueKind::Table(table), Segment::Map { key }) => table.get(key).unwrap_or(value),
            _ => value,
        });
    value.origin()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotA { shown, expected } => write!(f, "{shown} is not {expected}"),
            Self::Refused(why) => f.write_str(why),
            Self::NotAValue(problem) => problem.fmt(f),
            Self::UnknownKey(known) => write!(f, "unknown key; known: {}", known.join(", ")),
            Self::Missing(field) => write!(f, "{field}: not set"),
        }
    }
}

impl std::error::Error for Problem {}

impl From<NotAValue> for Problem {
    fn from(problem: NotAValue) -> Self {
        Self::NotAValue(problem)
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Refused(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::not_a(&unexpected, &expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::not_a(&unexpected, &expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::not_a(
            &format!("`{variant}`"),
            &format!("one of {}", expected.join(", ")),
        )
    }

    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        Self::UnknownKey(expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}
