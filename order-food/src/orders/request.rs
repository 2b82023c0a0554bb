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
#[derive(Debug, Default, Deserialize)]
pub(crate) struct OrderRequest<'a> {
    /// At most one more than [`MAX_ITEMS`].
    #[serde(borrow, default, deserialize_with = "items")]
    pub(crate) items: Option<Vec<Item<'a>>>,
    #[serde(borrow, default, rename = "couponCode")]
    pub(crate) coupon_code: Option<Text<'a>>,
}

/// One line as it was sent.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Item<'a> {
    #[serde(borrow, default, rename = "productId", deserialize_with = "text")]
    pub(crate) product_id: Option<Text<'a>>,
    /// Any whole number; beyond 64 bits it is the nearest that fits.
    #[serde(default, deserialize_with = "quantity")]
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

    /// Parses a body; unknown fields are ignored.
    ///
    /// # Errors
    /// 400 for text that is not UTF-8 or not JSON, a value of the wrong JSON type, a field that
    /// stands twice, or more than 128 levels anywhere, ignored fields included.
    pub(crate) fn parse(body: &'a [u8]) -> Result<OrderRequest<'a>, ApiError> {
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
                format!("the request body cannot be read: {}", with_path(text, &error)),
            )),
            Err(error) => Err(malformed(&error)),
        }
    }
}

/// The problem with the path of its field, which only a second reading knows: requests that are
/// right do not pay for it.
fn with_path(text: &str, error: &serde_json::Error) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let again = serde_path_to_error::deserialize::<_, Object<OrderRequest<'_>>>(&mut deserializer);
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
fn whole_number<E: serde::de::Error>(token: &str) -> Result<i64, E> {
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
        let body = r#"{"couponCode":null,"items":[{"quantity":1,"no\u0000te":{"a\u0000":[1,"}]\u0000",null,2.5]}}],"tip":3e999}"#;
        let request = OrderRequest::parse(body.as_bytes()).unwrap();
        assert!(request.coupon_code.is_none());
        assert!(request.items.unwrap()[0].product_id.is_none());
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_by_its_path() {
        for (body, path) in [
            (
                r#"{"items":[{"productId":3,"quantity":9}]}"#,
                "items[0].productId: ",
            ),
            (
                r#"{"items":[{"productId":"1","quantity":"9"}]}"#,
                "items[0].quantity: ",
            ),
            (
                r#"{"items":[{"productId":"1","quantity":1},{"quantity":1.5}]}"#,
                "items[1].quantity: ",
            ),
            (
                r#"{"items":[{"x":[{}],"productId":null}]}"#,
                "items[0].productId: ",
            ),
            (r#"{"items":[{"productId":"1","productId":"1"}]}"#, "items[0]"),
            (r#"{"items":[1]}"#, "items[0]: "),
            (r#"{"items":[[]]}"#, "items[0]: "),
            (r#"{"items":{}}"#, "items: "),
            (r#"{"items":null}"#, "items: "),
            (r#"{"x":{},"couponCode":5}"#, "couponCode: "),
            (r#"{"couponCode":["A"]}"#, "couponCode: "),
            ("[]", "invalid type: "),
        ] {
            let Err(ApiError::Malformed { kind, message }) = OrderRequest::parse(body.as_bytes()) else {
                panic!("{body}");
            };
            let problem = message.strip_prefix("the request body cannot be read: ").unwrap();
            assert_eq!(kind, "wrong_type", "{body}");
            assert!(problem.starts_with(path), "{body}: {problem}");
            assert!(problem.contains(" at line 1 column "), "{body}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn fuzz_any_bytes_are_a_request_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = OrderRequest::parse(&body);
        }

        /// Bodies that are nearly orders: a right one with one part replaced.
        #[test]
        fn fuzz_orders_with_a_damaged_part_are_a_request_or_an_error(
            damage in damage(),
            place in any::<prop::sample::Index>(),
            length in 0_usize..12,
        ) {
            let body = OrderRequest::example().to_string();
            let start = place.index(body.len());
            let end = (start + length).min(body.len());
            let damaged = [&body.as_bytes()[..start], &damage, &body.as_bytes()[end..]].concat();
            if let Err(ApiError::Malformed { kind, message }) = OrderRequest::parse(&damaged) {
                prop_assert!(["malformed_json", "wrong_type"].contains(&kind));
                prop_assert!(message.len() < 500, "{}", message);
            }
        }

        /// JSON of every shape is taken or refused as `serde_json` takes or refuses it.
        #[test]
        fn fuzz_json_of_any_shape_is_judged_by_its_types_alone(value in json(), field in "items|couponCode|x") {
            let body = format!("{{{field:?}:{value}}}");
            let outcome = OrderRequest::parse(body.as_bytes());
            if let Err(ApiError::Malformed { kind, message }) = &outcome {
                prop_assert_eq!(*kind, "wrong_type", "{}: {}", body, message);
            }
            prop_assert_eq!(field == "x" && outcome.is_err(), false, "{}", body);
        }
    }

    fn damage() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..8),
            prop::sample::select(vec![
                "{",
                "}",
                "[",
                "]",
                ":",
                ",",
                "\"",
                "\\",
                "\\u0000",
                "\\ud800",
                "null",
                "1e400",
                "-0",
                "1e-999",
                "\0",
                "\u{feff}",
                "\u{2028}",
                "\"items\":[],",
                "[[[[[[[[",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ]
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::hash_map("productId|quantity|[a-z]{1,3}", inner, 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
