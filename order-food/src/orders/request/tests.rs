//! Bodies of orders: what is taken, what is refused, and in which words.

use proptest::prelude::*;

use super::*;

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
