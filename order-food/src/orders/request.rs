use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::ApiError;

/// What a client sends to place an order.
#[derive(ToSchema)]
#[schema(as = OrderRequest)]
#[expect(dead_code, reason = "describes the request; the parts are read one by one")]
pub(crate) struct OrderRequestSchema {
    /// What is ordered: 1 to 100 lines; lines of the same product are added up.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<OrderRequestItem>,
    /// 1 to 64 characters without controls; empty and null mean none.
    #[schema(
        rename = "couponCode",
        required = false,
        nullable = true,
        max_length = 64,
        example = "SAVE10"
    )]
    coupon_code: Option<String>,
}

/// One line of an order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the request; the parts are read one by one")]
pub(crate) struct OrderRequestItem {
    /// The product's id.
    #[schema(rename = "productId", example = "1")]
    product_id: String,
    /// Units, 1 to 1000 in all lines of the product together.
    #[schema(minimum = 1, maximum = 1000, example = 2)]
    quantity: u32,
}

/// The most items of a request.
pub(super) const MAX_ITEMS: usize = 100;

/// The request as it was sent: JSON types are right, rules are not checked yet.
#[derive(Debug, Default)]
pub(crate) struct OrderRequest<'a> {
    /// At most one more than [`MAX_ITEMS`].
    pub(crate) items: Option<Vec<Item<'a>>>,
    pub(crate) coupon_code: Option<Cow<'a, str>>,
}

/// One line as it was sent.
#[derive(Debug, Default)]
pub(crate) struct Item<'a> {
    pub(crate) product_id: Option<Cow<'a, str>>,
    /// Any whole number; beyond 64 bits it is the nearest that fits.
    pub(crate) quantity: Option<i64>,
}

impl<'a> OrderRequest<'a> {
    /// Parses a body.
    ///
    /// # Errors
    /// 400 for text that is not UTF-8 or not JSON, a value of the wrong JSON type, a field that stands twice, a NUL
    /// character or more than 128 levels anywhere, ignored fields included.
    pub(crate) fn parse(body: &'a [u8]) -> Result<OrderRequest<'a>, ApiError> {
        let text = std::str::from_utf8(body)
            .map_err(|_| ApiError::malformed("malformed_json", "the request body is not UTF-8"))?;
        serde_json::from_str(text).map_err(|error| {
            let kind = if error.is_data() {
                "wrong_type"
            } else {
                "malformed_json"
            };
            ApiError::malformed(kind, format!("the request body cannot be read: {error}"))
        })
    }
}

impl<'de> Deserialize<'de> for OrderRequest<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = OrderRequest<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an order: an object with items")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut request = OrderRequest::default();
                let (mut items, mut coupon_code) = (Once("items", false), Once("couponCode", false));
                while let Some(Text(field)) = map.next_key()? {
                    match &*field {
                        "items" => {
                            items.seen()?;
                            request.items = Some(map.next_value::<Items<'de>>()?.0);
                        }
                        "couponCode" => {
                            coupon_code.seen()?;
                            request.coupon_code = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0);
                        }
                        name => ignore(name, map.next_value()?)?,
                    }
                }
                Ok(request)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The items of a request. Those beyond the most that any order may have are checked, but not kept.
struct Items<'a>(Vec<Item<'a>>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kept;
        impl<'de> Visitor<'de> for Kept {
            type Value = Items<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while let Some(item) = items.next_element()? {
                    if kept.len() <= MAX_ITEMS {
                        kept.push(item);
                    }
                }
                Ok(Items(kept))
            }
        }
        deserializer.deserialize_seq(Kept)
    }
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Item<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an item: an object with productId and quantity")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut item = Item::default();
                let (mut product_id, mut quantity) = (Once("productId", false), Once("quantity", false));
                while let Some(Text(field)) = map.next_key()? {
                    match &*field {
                        "productId" => {
                            product_id.seen()?;
                            item.product_id = Some(map.next_value::<Text<'de>>()?.0);
                        }
                        "quantity" => {
                            quantity.seen()?;
                            item.quantity = Some(whole_number(map.next_value::<&'de RawValue>()?.get())?);
                        }
                        name => ignore(name, map.next_value()?)?,
                    }
                }
                Ok(item)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A field that may stand once.
struct Once(&'static str, bool);

impl Once {
    fn seen<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if std::mem::replace(&mut self.1, true) {
            Err(E::duplicate_field(self.0))
        } else {
            Ok(())
        }
    }
}

/// The whole number that a JSON token stands for, `3e9` and `2.0` included; out of 64 bits, the nearest that fits. Decided
/// on the digits: a float would round.
fn whole_number<E: serde::de::Error>(token: &str) -> Result<i64, E> {
    if let Ok(number) = token.parse() {
        return Ok(number);
    }
    let wrong = || {
        E::custom(format_args!(
            "quantity: expected a whole number, not {}",
            shown(token)
        ))
    };
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

/// Text that borrows from the body where it can.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// The deepest nesting of a value that nobody asked for.
const MAX_DEPTH: usize = 128;

/// Takes a value that nobody asked for: any JSON, but neither great depth nor a NUL character hides in it.
fn ignore<E: serde::de::Error>(name: &str, value: &RawValue) -> Result<(), E> {
    let nul = || E::custom("a text holds a NUL character");
    if name.contains('\0') {
        return Err(nul());
    }
    let mut depth = 0;
    let mut in_text = false;
    let mut rest = value.get().as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if tail.starts_with(b"u0000") => return Err(nul()),
            // What is escaped ends no text.
            b'\\' => rest = tail.get(1..).unwrap_or_default(),
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(E::custom("a value is nested too deeply"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity(token: &str) -> Result<Option<i64>, ApiError> {
        let body = format!(r#"{{"items":[{{"productId":"1","quantity":{token}}}]}}"#);
        let request = OrderRequest::parse(body.as_bytes())?;
        Ok(request.items.unwrap()[0].quantity)
    }

    #[test]
    fn whole_numbers_are_taken_however_they_are_written() {
        for (token, expected) in [
            ("2", 2),
            ("-3", -3),
            ("2.0", 2),
            ("3e9", 3_000_000_000),
            ("1E2", 100),
            ("-0", 0),
            ("99999999999999999999", i64::MAX),
            ("-1e400", i64::MIN),
            ("1e99999999999999999999", i64::MAX),
            ("0e99999999999999999999", 0),
            ("0.0", 0),
            ("12.50e1", 125),
            ("1200e-2", 12),
            ("9223372036854775807.0", i64::MAX),
        ] {
            assert_eq!(quantity(token).unwrap(), Some(expected), "{token}");
        }
    }

    #[test]
    fn other_json_types_are_malformed() {
        for token in [
            "1.5", "1e-1", "\"2\"", "null", "true", "[]", "{}", "NaN", "01", "+1", ".5",
        ] {
            assert!(
                matches!(quantity(token), Err(ApiError::Malformed { .. })),
                "{token}"
            );
        }
    }

    #[test]
    fn bodies_that_are_no_order_are_malformed() {
        let deep = format!(
            r#"{{"items":[],"x":{}{}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        for body in [
            "",
            " ",
            "null",
            "[]",
            "\"items\"",
            "{",
            r#"{"items":[]} {}"#,
            r#"{"items":null}"#,
            r#"{"items":{}}"#,
            r#"{"items":[1]}"#,
            r#"{"items":[{"productId":1,"quantity":1}]}"#,
            r#"{"items":[],"couponCode":5}"#,
            r#"{"items":[],"items":[]}"#,
            r#"{"items":[],"note":"a\u0000b"}"#,
            r#"{"items":[],"no\u0000te":1}"#,
            r#"{"items":[],"x":{"a\u0000":1}}"#,
            r#"{"items":[{"productId":"1","quantity":1,"n\u0000":1}]}"#,
            "\u{feff}{\"items\":[]}",
            &deep,
        ] {
            let outcome = OrderRequest::parse(body.as_bytes());
            assert!(matches!(outcome, Err(ApiError::Malformed { .. })), "{:.80}", body);
        }
        assert!(OrderRequest::parse(b"{\"items\":[],\"couponCode\":\"\xff\"}").is_err());
    }

    #[test]
    fn unknown_fields_are_ignored_and_null_means_no_coupon() {
        let body = r#"{"couponCode":null,"items":[{"quantity":1,"note":{"a":[1,"}]\\u0000",null,2.5]}}],"tip":3e999}"#;
        let request = OrderRequest::parse(body.as_bytes()).unwrap();
        assert!(request.coupon_code.is_none());
        assert!(request.items.unwrap()[0].product_id.is_none());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = OrderRequest::parse(&body);
        }
    }
}
