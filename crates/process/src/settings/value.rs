//! Deserializes the merged layers; `config` by itself would turn texts of a file into numbers.

use std::collections::BTreeMap;
use std::str::FromStr;

use config::{Value, ValueKind};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::problem::Problem;
use super::text;

/// One value of the tree; a value with an origin came from that environment variable.
pub(super) struct Node(pub(super) Value);

impl Node {
    /// The text of a variable: only there may a text stand for a number, a boolean or a list.
    fn variable_text(&self) -> Option<&str> {
        match &self.0.kind {
            ValueKind::String(text) if self.0.origin().is_some() => Some(text.trim()),
            _ => None,
        }
    }

    fn parsed<T: FromStr>(&self) -> Option<T> {
        self.variable_text()?.parse().ok()
    }

    fn is_not<T>(&self, expected: impl Into<String>) -> Result<T, Problem> {
        let mut expected = expected.into();
        if let ValueKind::String(text) = &self.0.kind {
            text::checked(text)?;
            expected += text::service_link(text);
        }
        let shown = match &self.0.kind {
            ValueKind::Table(_) => "a table".to_owned(),
            ValueKind::Array(_) => "a list".to_owned(),
            ValueKind::String(text) if self.0.origin().is_none() => format!("`\"{text}\"`"),
            _ => format!("`{}`", self.0),
        };
        Err(Problem::NotA { shown, expected })
    }
}

impl IntoDeserializer<'_, Problem> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            let number = match &self.0.kind {
                ValueKind::I64(number) => <$type>::try_from(i128::from(*number)).ok(),
                _ => self.parsed(),
            };
            match number {
                Some(number) => visitor.$visit(number),
                None => self.is_not(format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Problem;

    whole_numbers!(
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0.kind {
            ValueKind::Boolean(truth) => visitor.visit_bool(truth),
            ValueKind::I64(number) => visitor.visit_i64(number),
            ValueKind::Float(number) => visitor.visit_f64(number),
            ValueKind::String(text) => visitor.visit_string(text::checked(text)?),
            ValueKind::Table(_) => self.deserialize_map(visitor),
            ValueKind::Array(_) => self.deserialize_seq(visitor),
            _ => visitor.visit_unit(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let text = self.variable_text().map(str::to_ascii_lowercase);
        match (&self.0.kind, text.as_deref()) {
            (ValueKind::Boolean(truth), _) => visitor.visit_bool(*truth),
            (_, Some("true" | "1" | "on" | "yes")) => visitor.visit_bool(true),
            (_, Some("false" | "0" | "off" | "no")) => visitor.visit_bool(false),
            _ => self.is_not("true or false"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let number = match &self.0.kind {
            ValueKind::Float(number) => Some(*number),
            ValueKind::I64(number) => return visitor.visit_i64(*number),
            _ => self.parsed(),
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => visitor.visit_f64(number),
            None => self.is_not("a number"),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.kind {
            // TOML has no null: the default files write an empty text for "not set".
            ValueKind::String(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let origin = self.0.origin().map(str::to_owned);
        let values = match (self.variable_text(), &self.0.kind) {
            (Some(text), _) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| Value::new(origin.as_ref(), part)).collect()
            }
            (None, ValueKind::Array(values)) => values.clone(),
            _ => return self.is_not("a list"),
        };
        visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(Node)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let ValueKind::Table(table) = self.0.kind else {
            return self.is_not("a table");
        };
        // Sorted: of several typos the same one is reported each time.
        let entries: BTreeMap<_, _> = table.into_iter().map(|(key, value)| (key, Node(value))).collect();
        visitor.visit_map(MapDeserializer::new(entries.into_iter()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.0.kind {
            ValueKind::String(text) => visitor.visit_enum(text::checked(text)?.into_deserializer()),
            _ => self.is_not("a string"),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}
