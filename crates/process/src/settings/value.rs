//! Makes a settings struct out of the merged layers.
//!
//! `config` would do so too, but its errors name neither the variable nor the range, quote secret
//! values, and its conversions turn a password of digits into a number.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};
use serde::de::value::{MapAccessDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::layers;
use super::problem::Problem;

/// One value of the tree, on its way to becoming what the settings struct asks for.
pub(super) struct Node(Value);

impl From<Map<String, Value>> for Node {
    fn from(table: Map<String, Value>) -> Self {
        Self(Value::new(None, table))
    }
}

impl Node {
    /// The text, if it came from the environment: only there may it stand for something else.
    fn environment_text(&self) -> Option<&str> {
        let from_environment = self
            .0
            .origin()
            .is_some_and(|origin| origin.starts_with(layers::ENVIRONMENT));
        match &self.0.kind {
            ValueKind::String(text) if from_environment => Some(text.trim()),
            _ => None,
        }
    }

    fn is_not(&self, expected: impl Into<String>) -> Problem {
        let shown = match &self.0.kind {
            ValueKind::Table(_) => "a table".to_owned(),
            ValueKind::Array(_) => "a list".to_owned(),
            ValueKind::Nil => "nothing".to_owned(),
            ValueKind::String(text) if self.environment_text().is_none() => format!("`\"{text}\"`"),
            _ => format!("`{}`", self.0),
        };
        Problem::not_a(shown, expected)
    }

    fn whole_number(&self, least: i128, most: i128) -> Result<i128, Problem> {
        let number = match &self.0.kind {
            ValueKind::I64(number) => Some(i128::from(*number)),
            ValueKind::U64(number) => Some(i128::from(*number)),
            ValueKind::I128(number) => Some(*number),
            _ => self.environment_text().and_then(|text| text.parse().ok()),
        };
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.is_not(format!("a whole number from {least} to {most}")))
    }

    fn number(&self) -> Option<f64> {
        let number = match &self.0.kind {
            ValueKind::Float(number) => Some(*number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "a setting above 2^53 is not meant exactly"
            )]
            ValueKind::I64(number) => Some(*number as f64),
            _ => self.environment_text().and_then(|text| text.parse().ok()),
        };
        number.filter(|number| number.is_finite())
    }

    fn truth(&self) -> Option<bool> {
        match &self.0.kind {
            ValueKind::Boolean(truth) => Some(*truth),
            _ => match self.environment_text()?.to_ascii_lowercase().as_str() {
                "true" | "1" | "on" | "yes" => Some(true),
                "false" | "0" | "off" | "no" => Some(false),
                _ => None,
            },
        }
    }

    /// The elements of a list; a text from the environment is split at its commas.
    fn elements(self) -> Result<Elements, Problem> {
        let origin = self.0.origin().map(str::to_owned);
        let values = match (self.environment_text(), self.0.kind.clone()) {
            (Some(text), _) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| Value::new(origin.as_ref(), part)).collect()
            }
            (None, ValueKind::Array(values)) => values,
            _ => return Err(self.is_not("a list")),
        };
        Ok(Elements {
            rest: values.into_iter(),
            index: 0,
        })
    }

    fn entries(self) -> Result<Entries, Problem> {
        match self.0.kind {
            ValueKind::Table(table) => {
                // Sorted: of several typos always the same one is reported.
                let sorted: BTreeMap<_, _> = table.into_iter().collect();
                Ok(Entries {
                    rest: sorted.into_iter(),
                    current: None,
                })
            }
            _ => Err(self.is_not("a table")),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            let number = self.whole_number(<$type>::MIN as i128, <$type>::MAX as i128)?;
            visitor.$visit(number as $type)
        }
    )*};
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked against the type's range"
)]
#[expect(clippy::cast_lossless, reason = "one macro for all widths")]
impl<'de> Deserializer<'de> for Node {
    type Error = Problem;

    whole_numbers!(
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0.kind {
            ValueKind::Nil => visitor.visit_unit(),
            ValueKind::Boolean(truth) => visitor.visit_bool(truth),
            ValueKind::I64(number) => visitor.visit_i64(number),
            ValueKind::I128(number) => visitor.visit_i128(number),
            ValueKind::U64(number) => visitor.visit_u64(number),
            ValueKind::U128(number) => visitor.visit_u128(number),
            ValueKind::Float(number) => visitor.visit_f64(number),
            ValueKind::String(text) => visitor.visit_string(text),
            ValueKind::Table(_) => visitor.visit_map(self.entries()?),
            ValueKind::Array(_) => visitor.visit_seq(self.elements()?),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.truth() {
            Some(truth) => visitor.visit_bool(truth),
            None => Err(self.is_not("true or false")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.number() {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.is_not("a number")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0.kind {
            ValueKind::String(text) => visitor.visit_string(text),
            _ => Err(self.is_not("a text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.0.kind {
            ValueKind::Nil => visitor.visit_none(),
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
        visitor.visit_seq(self.elements()?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_map(self.entries()?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if name != "Duration" || fields != ["secs", "nanos"] {
            return visitor.visit_map(self.entries()?);
        }
        let seconds = self
            .number()
            .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        let duration = seconds.ok_or_else(|| self.is_not("a number of seconds"))?;
        let parts = [duration.as_secs(), u64::from(duration.subsec_nanos())];
        visitor.visit_seq(SeqDeserializer::new(parts.into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.0.kind {
            ValueKind::String(text) => visitor.visit_enum(text.into_deserializer()),
            ValueKind::Table(_) => visitor.visit_enum(MapAccessDeserializer::new(self.entries()?)),
            _ => Err(self.is_not("a text")),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Elements {
    rest: std::vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Problem;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Problem> {
        let Some(value) = self.rest.next() else {
            return Ok(None);
        };
        let part = format!("[{}]", self.index);
        self.index += 1;
        let origin = value.origin().map(str::to_owned);
        seed.deserialize(Node(value))
            .map(Some)
            .map_err(|problem| problem.at(&part, origin.as_deref()))
    }
}

struct Entries {
    rest: std::collections::btree_map::IntoIter<String, Value>,
    current: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Problem;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Problem> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        let name: StringDeserializer<Problem> = key.clone().into_deserializer();
        let field = seed
            .deserialize(name)
            .map_err(|problem| problem.of_key(deepest_origin(&value)))?;
        self.current = Some((key, value));
        Ok(Some(field))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        let (key, value) = self.current.take().unwrap_or_default();
        let origin = value.origin().map(str::to_owned);
        seed.deserialize(Node(value))
            .map_err(|problem| problem.at(&key, origin.as_deref()))
    }
}

/// Where a value came from; a table that layers were merged into has no origin but its entries'.
fn deepest_origin(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) if value.origin().is_none() => table.values().find_map(deepest_origin),
        _ => value.origin(),
    }
}
