//! The body of `POST /api/order`: JSON types are checked here, rules in `place`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::ApiError;

/// The most items of a request.
pub(super) const MAX_ITEMS: usize = 100;

// Both as they were sent: JSON types are right, rules are not checked yet.

/// What a client sends to place an order.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct OrderRequest<'a> {
    // At most one more than MAX_ITEMS are kept.
    /// What is ordered: 1 to 100 lines; lines of the same product are added up.
    #[serde(borrow, default, deserialize_with = "items")]
    #[schema(value_type = Vec<Item>, required = true, min_items = 1, max_items = 100)]
    pub(crate) items: Option<Vec<Item<'a>>>,
    /// 1 to 64 characters without controls; empty and null mean none.
    #[serde(borrow, default, rename = "couponCode")]
    #[schema(value_type = Option<String>, required = false, nullable = true, max_length = 64, example = "SAVE10")]
    pub(crate) coupon_code: Option<Text<'a>>,
}

/// One line of an order.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = OrderRequestItem)]
pub(crate) struct Item<'a> {
    /// The product's id.
    #[serde(borrow, default, rename = "productId", deserialize_with = "text")]
    #[schema(value_type = String, required = true, example = "1")]
    pub(crate) product_id: Option<Text<'a>>,
    // Beyond 64 bits it is the nearest number that fits.
    /// Units, 1 to 1000 in all lines of the product together.
    #[serde(default, deserialize_with = "quantity")]
    #[schema(value_type = u32, required = true, minimum = 1, maximum = 1000, example = 2)]
    pub(crate) quantity: Option<i64>,
}

/// Text that borrows from the body unless it holds an escape.
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'a> OrderRequest<'a> {
    /// The request of the examples.
    pub(super) fn example() -> serde_json::Value {
        serde_json::json!({
            "items": [{"productId": "1", "quantity": 2}, {"productId": "3", "quantity": 1}],
            "couponCode": "SAVE10",
        })
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`object`].
    pub(crate) fn parse(body: &'a [u8]) -> Result<OrderRequest<'a>, ApiError> {
        object(body)
    }
}

/// Parses a body that is one JSON object; unknown fields are ignored.
///
/// # Errors
/// 400 for text that is not UTF-8 or not JSON, a value of the wrong JSON type, a field that stands
/// twice, or more than 128 levels anywhere, ignored fields included.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    let malformed = |problem: &dyn fmt::Display| {
        ApiError::malformed(
            "malformed_json",
            format!("the request body cannot be read: {problem}"),
        )
    };
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::malformed("malformed_json", "the request body is not UTF-8"))?;
    if is_too_deep(body) {
        return Err(malformed(&"a value is nested too deeply"));
    }
    match serde_json::from_str(text) {
        Ok(Object(request)) => Ok(request),
        Err(error) if error.is_data() => Err(ApiError::malformed(
            "wrong_type",
            format!(
                "the request body cannot be read: {}",
                with_path::<T>(text, &error)
            ),
        )),
        Err(error) => Err(malformed(&error)),
    }
}

/// The problem with the path of its field, which only a second reading knows: requests that are
/// right do not pay for it.
fn with_path<'a, T: Deserialize<'a>>(text: &'a str, error: &serde_json::Error) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let again = serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer);
    match again {
        Err(located) if located.path().iter().next().is_some() => located.to_string(),
        _ => error.to_string(),
    }
}

/// A struct written as a JSON object; derived implementations take an array, too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// The items of a request; those beyond the most that any order may have are checked, not kept.
fn items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Item<'de>>>, D::Error> {
    struct Kept;
    impl<'de> Visitor<'de> for Kept {
        type Value = Vec<Item<'de>>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a list of items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while let Some(Object(item)) = items.next_element()? {
                if kept.len() <= MAX_ITEMS {
                    kept.push(item);
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_seq(Kept).map(Some)
}

/// Text where null is the wrong type.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text<'de>>, D::Error> {
    Text::deserialize(deserializer).map(Some)
}

/// A whole number in any notation of JSON.
fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    whole_number(<&RawValue>::deserialize(deserializer)?.get()).map(Some)
}

/// The whole number that a JSON token stands for, `3e9` and `2.0` included; out of 64 bits, the
/// nearest that fits. Decided on the digits: a float would round.
pub(super) fn whole_number<E: serde::de::Error>(token: &str) -> Result<i64, E> {
    if let Ok(number) = token.parse() {
        return Ok(number);
    }
    let wrong = || E::custom(format_args!("expected a whole number, not {}", shown(token)));
    let (limit, unsigned) = match token.strip_prefix('-') {
        Some(unsigned) => (i64::MIN, unsigned),
        None => (i64::MAX, token),
    };
    if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(wrong());
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // The value is `significant` times ten to the `power`.
    let beyond = if exponent.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    let trimmed = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
    let decimals = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let power = exponent
        .parse()
        .unwrap_or(beyond)
        .saturating_add(trimmed - decimals);
    match usize::try_from(power) {
        Err(_) => Err(wrong()),
        Ok(power @ 0..=19) => {
            let sign = if limit == i64::MIN { "-" } else { "" };
            Ok(format!("{sign}{significant}{:0<power$}", "")
                .parse()
                .unwrap_or(limit))
        }
        Ok(_) => Ok(limit),
    }
}

fn shown(token: &str) -> String {
    token.chars().take(20).collect()
}

/// The deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 128;

/// Whether arrays and objects are nested beyond [`MAX_DEPTH`]; `serde_json` sets no limit to
/// values that it skips.
fn is_too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    body.iter().any(|byte| {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'"' => in_text = !in_text,
            b'\\' => escaped = in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

#[cfg(test)]
mod tests;
