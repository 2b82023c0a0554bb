//! What is wrong with a setting, and the line that says so.

use std::fmt;
use std::path::Path;

use serde::de::{self, Expected, Unexpected};

use super::layers;

/// Key parts that mark a value as secret; also those of texts that may carry a password.
const SECRET: [&str; 5] = ["url", "password", "key", "secret", "token"];

/// What is wrong, and where: the path grows outward while the error travels up.
#[derive(Debug)]
pub(super) struct Problem {
    what: What,
    /// Innermost part first.
    path: Vec<String>,
    origin: Option<String>,
}

#[derive(Debug)]
enum What {
    NotA { shown: String, expected: String },
    Refused(String),
    UnknownKey { known: &'static [&'static str] },
    Missing,
}

impl Problem {
    /// The value, as `shown`, is not what was `expected`.
    pub(super) fn not_a(shown: String, expected: impl Into<String>) -> Self {
        Self::from(What::NotA {
            shown,
            expected: expected.into(),
        })
    }

    /// Adds the part of the path that leads here; the innermost origin counts.
    pub(super) fn at(mut self, part: &str, origin: Option<&str>) -> Self {
        self.path.push(part.to_owned());
        self.origin = self.origin.or_else(|| origin.map(str::to_owned));
        self
    }

    /// The same for the error of a key itself, which already stands in the path.
    pub(super) fn of_key(mut self, origin: Option<&str>) -> Self {
        self.origin = origin.map(str::to_owned);
        self
    }

    /// What has no origin of its own is an empty table, and only the file can have added one.
    pub(super) fn or_in(mut self, file: Option<&Path>) -> Self {
        self.origin = self
            .origin
            .or_else(|| file.map(|file| format!("{}{}", layers::FILE, file.display())));
        self
    }

    /// One line that names the setting.
    pub(super) fn line(&self, environment: &[(&str, &str)]) -> String {
        let path = self.path();
        match &self.what {
            What::Missing => match environment.iter().find(|(_, key)| *key == path) {
                Some((name, _)) => format!("{name}: not set (key {path})"),
                None => format!("{path}: not set"),
            },
            What::UnknownKey { known } => {
                format!("{}: unknown key; known: {}", self.place(), known.join(", "))
            }
            What::NotA { expected, .. } if self.secret() => {
                format!("{}: the value (redacted) is not {expected}", self.place())
            }
            What::NotA { shown, expected } => format!("{}: {shown} is not {expected}", self.place()),
            What::Refused(_) if self.secret() => {
                format!("{}: the value (redacted) is not accepted", self.place())
            }
            What::Refused(why) => format!("{}: {why}", self.place()),
        }
        .replace(['\n', '\r'], " ")
    }

    /// The environment variable if the value came from one, else the file and the key.
    fn place(&self) -> String {
        let origin = self.origin.as_deref().unwrap_or_default();
        if let Some(name) = origin.strip_prefix(layers::ENVIRONMENT) {
            return name.to_owned();
        }
        match origin.strip_prefix(layers::FILE) {
            Some(file) => format!("{file}: {}", self.path()),
            None => self.path(),
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for part in self.path.iter().rev() {
            if !path.is_empty() && !part.starts_with('[') {
                path.push('.');
            }
            path.push_str(part);
        }
        path
    }

    fn secret(&self) -> bool {
        let path = self.path().to_lowercase();
        SECRET.iter().any(|word| path.contains(word))
    }
}

impl From<What> for Problem {
    fn from(what: What) -> Self {
        Self {
            what,
            path: Vec::new(),
            origin: None,
        }
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        What::Refused(message.to_string()).into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::not_a(unexpected.to_string(), expected.to_string())
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::not_a(unexpected.to_string(), expected.to_string())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::not_a(format!("`{variant}`"), format!("one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let problem = Self::from(What::UnknownKey { known: expected });
        Self {
            path: vec![field.to_owned()],
            ..problem
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            path: vec![field.to_owned()],
            ..Self::from(What::Missing)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(&[]))
    }
}

impl std::error::Error for Problem {}
