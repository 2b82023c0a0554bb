//! What cannot be an order: 400 when it cannot be read, 422 when a rule says no. Nothing is ever
//! stored.

use serde_json::json;

use crate::fixtures::{PIZZA, WAFFLE};
use crate::harness::{TestApp, order_request};

#[tokio::test]
async fn what_is_not_json_is_400() {
    let app = TestApp::start().await;
    let deep = |open: &str, close: &str| {
        let nested = format!("{}{}", open.repeat(50_000), close.repeat(50_000));
        [
            nested.clone(),
            format!(r#"{{"items":{nested}}}"#),
            format!(r#"{{"items":[{{"productId":"1","quantity":1,"x":{nested}}}]}}"#),
            format!(r#"{{"x":{nested},"items":[{{"productId":"1","quantity":1}}]}}"#),
        ]
    };
    let mut bodies = vec![
        "".into(),
        " ".into(),
        "{".into(),
        "nonsense".into(),
        r#"{"items":[{"productId":"1","quantity":1}]"#.into(),
        r#"{"items":[{"productId":"1","quantity":1}]} {}"#.into(),
        r#"{"items":[{"productId":"1","quantity":1}],}"#.into(),
        r#"{"items":[{"productId":"1","quantity":01}]}"#.into(),
        r#"{"items":[{"productId":"1","quantity":+1}]}"#.into(),
        r#"{"items":[{"productId":"1","quantity":.5}]}"#.into(),
        r#"{"items":[{"productId":"1","quantity":NaN}]}"#.into(),
        "{'items':[]}".into(),
        "\u{feff}{\"items\":[]}".into(),
        "{\"items\":[],\"a\":\"\0\"}".into(),
    ];
    bodies.extend(deep("[", "]"));
    bodies.extend(deep(r#"{"a":["#, "]}"));

    for body in bodies {
        let answer = app.post(&body).await;
        assert_eq!(answer.status(), 400, "{body:.80}: {}", answer.text());
        assert!(
            ["malformed_json", "wrong_type"].contains(&&*answer.member("type")),
            "{body:.80}: {}",
            answer.text()
        );
    }
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn what_is_not_utf_8_is_400() {
    let app = TestApp::start().await;

    for body in [
        &b"{\"items\":[{\"productId\":\"1\",\"quantity\":1}],\"couponCode\":\"SAVE\xff\"}"[..],
        b"{\"items\":[{\"productId\":\"1\",\"quantity\":1}],\"note\":\"\xc3\x28\"}",
        b"\xff\xfe{\x00}\x00",
        b"\xed\xa0\x80",
    ] {
        app.refuses(&order_request(body), 400, "malformed_json").await;
    }
}

#[tokio::test]
async fn a_wrong_json_type_is_400() {
    let app = TestApp::start().await;
    let mut bodies: Vec<String> = ["null", "[]", "5", "\"items\"", "true", r#"{"items":null}"#]
        .map(str::to_owned)
        .into();
    for items in ["5", "{}", "\"1\"", "[1]", "[null]", "[[]]", "[\"1\"]"] {
        bodies.push(format!(r#"{{"items":{items}}}"#));
    }
    for quantity in ["1.5", "1e-1", "\"2\"", "null", "true", "[]", "{}"] {
        bodies.push(format!(
            r#"{{"items":[{{"productId":"1","quantity":{quantity}}}]}}"#
        ));
    }
    for product in ["1", "null", "true", "[]", "{}"] {
        bodies.push(format!(r#"{{"items":[{{"productId":{product},"quantity":1}}]}}"#));
    }
    for coupon in ["5", "true", "[]", "{}"] {
        bodies.push(format!(
            r#"{{"items":[{{"productId":"1","quantity":1}}],"couponCode":{coupon}}}"#
        ));
    }
    bodies.push(r#"{"items":[{"productId":"1","quantity":1}],"items":[]}"#.into());
    bodies.push(r#"{"items":[{"productId":"1","quantity":1,"quantity":2}]}"#.into());

    for body in bodies {
        app.refuses(&order_request(body), 400, "wrong_type").await;
    }
}

#[tokio::test]
async fn a_nul_character_breaks_a_rule_where_it_counts_and_is_ignored_elsewhere() {
    let app = TestApp::start().await;

    for (body, status) in [
        (r#"{"items":[{"productId":"1\u0000","quantity":1}]}"#, 422),
        (
            r#"{"items":[{"productId":"1","quantity":1}],"couponCode":"SAVE10\u0000"}"#,
            422,
        ),
        (
            r#"{"items":[{"productId":"1","quantity":1}],"couponCode":"\u0000"}"#,
            422,
        ),
        (
            r#"{"items":[{"productId":"1","quantity":1,"x":[{"y\u0000":"\u0000"}]}],"n\u0000":1}"#,
            200,
        ),
    ] {
        let answer = app.post(body).await;
        assert_eq!(answer.status(), status, "{body}: {}", answer.text());
        assert!(!answer.text().contains('\0') && !answer.text().contains("\\u0000"));
    }
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn an_order_without_lines_is_422() {
    let app = TestApp::start().await;

    for body in ["{}", r#"{"items":[]}"#, r#"{"couponCode":"SAVE10"}"#] {
        app.refuses(&order_request(body), 422, "items_required").await;
    }
}

#[tokio::test]
async fn a_missing_field_is_422_and_named() {
    let app = TestApp::start().await;

    for (body, field) in [
        (r#"{"items":[{}]}"#, "productId"),
        (r#"{"items":[{"quantity":1}]}"#, "productId"),
        (
            r#"{"items":[{"productId":"1","quantity":1},{"productId":"2"}]}"#,
            "item 2 has no quantity",
        ),
    ] {
        let error = app.refuses(&order_request(body), 422, "field_required").await;
        assert!(error["message"].as_str().unwrap().contains(field), "{error}");
    }
}

#[tokio::test]
async fn a_quantity_out_of_range_is_422() {
    let app = TestApp::start().await;

    for quantity in [
        "0",
        "-0",
        "-1",
        "1001",
        "3e9",
        "3000000000",
        "65537",
        "4294967297",
        "9223372036854775807",
        "-9223372036854775808",
        "99999999999999999999",
        "9223372036854775807.0",
        "0.0",
        "0e99999999999999999999",
        "1e99999999999999999999",
        "1e400",
        "-1e400",
    ] {
        let body = format!(r#"{{"items":[{{"productId":"1","quantity":{quantity}}}]}}"#);
        app.refuses(&order_request(body), 422, "quantity_out_of_range")
            .await;
    }
}

#[tokio::test]
async fn quantities_are_checked_after_merging() {
    let app = TestApp::start().await;

    for lines in [
        vec![(WAFFLE, 500), (WAFFLE, 501)],
        vec![(WAFFLE, i64::MAX), (WAFFLE, i64::MAX)],
        vec![(WAFFLE, 1), (PIZZA, 1000), (PIZZA, 1)],
        vec![(WAFFLE, 1000), (WAFFLE, -1)],
    ] {
        app.rejects(app.place_order(lines), "quantity_out_of_range").await;
    }
    app.place_order([(WAFFLE, 500), (WAFFLE, 500)]).accepted().await;
}

#[tokio::test]
async fn every_unknown_product_is_named_once_in_the_order_of_the_lines() {
    let app = TestApp::start().await;
    let lines = [
        ("42", 1),
        ("1", 1),
        ("011", 1),
        ("abc", 2),
        ("42", 3),
        ("", 1),
        ("9223372036854775808", 1),
    ];

    let error = app.rejects(app.place_order(lines), "unknown_product").await;

    assert_eq!(
        error["productIds"],
        json!(["42", "011", "abc", "", "9223372036854775808"])
    );
    assert!(error["message"].as_str().unwrap().contains("42, 011, abc"));
}

#[tokio::test]
async fn unknown_products_are_named_whatever_is_wrong_with_the_quantities() {
    let app = TestApp::start().await;

    for lines in [
        [("1", 0), ("42", 1), ("7", 1001), ("abc", -5)],
        [("42", 0), ("abc", 5000), ("1", -1), ("42", 1)],
    ] {
        let error = app.rejects(app.place_order(lines), "unknown_product").await;
        assert_eq!(error["productIds"], json!(["42", "abc"]));
    }
}

#[tokio::test]
async fn unknown_ids_that_begin_alike_are_two_and_shown_cut() {
    let app = TestApp::start().await;
    let start = "x".repeat(64);
    let (one, other) = (format!("{start}1"), format!("{start}2"));

    let lines = [(&one, 1), (&other, 1), (&one, 2)];
    let error = app.rejects(app.place_order(lines), "unknown_product").await;

    assert_eq!(error["productIds"], json!([start, start]));
}

#[tokio::test]
async fn too_many_lines_are_422() {
    let app = TestApp::start().await;

    for count in [101, 10_000] {
        let lines = (0..count).map(|_| (PIZZA, 1));
        app.rejects(app.place_order(lines), "too_many_items").await;
    }
}

#[tokio::test]
async fn an_order_that_costs_too_much_is_422() {
    let app = TestApp::start().await;
    app.publish(
        "INSERT INTO products SELECT 100 + n, 'Gold', 99999999.99, 'Metals' FROM generate_series(1, 11) AS n",
    )
    .await;
    let gold = |count: u64| (1..=count).map(|n| (100 + n, 1000));

    app.rejects(app.place_order(gold(11)), "order_too_large").await;
    app.rejects(app.place_order(gold(11)).coupon("FREEZAAA"), "order_too_large")
        .await;

    let order = app.place_order(gold(10)).coupon("SAVE10").send().await;
    assert!(
        order
            .text()
            .ends_with(r#""total":899999999910.00,"discounts":99999999990.00}"#),
        "{}",
        order.text()
    );
}
