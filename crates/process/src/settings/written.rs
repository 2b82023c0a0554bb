//! A setting whose type is found out where it is used.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

/// A setting as it was written: a text, a number or a boolean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(pub String);

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<u16> for Written {
    fn from(number: u16) -> Self {
        Self(number.to_string())
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(Self(value.to_string())),
            _ => Err(D::Error::custom("neither a text nor a number nor a boolean")),
        }
    }
}
