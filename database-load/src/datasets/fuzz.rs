//! Random rows: whatever is accepted, the API serves.

use std::sync::Arc;

use database::rows::ProductRow;
use proptest::prelude::*;
use serde_json::{Value, json};
use shop::{HashKeys, Product};

use super::{Data, DatasetKind, Inputs, Notes, Reading};
use crate::sources::Input;

const USER: &str = "018f4e5a-0000-7000-8000-000000000002";

/// Texts near the borders of what a column takes.
fn text() -> impl Strategy<Value = Value> {
    let odd = prop::sample::select(vec![
        "0",
        "1",
        "01",
        "12.9",
        "12.99",
        "99999999.99",
        "100000000",
        "-1",
        "1e3",
        "100",
        "100.01",
        "NaN",
        "null",
        "percentage",
        "fixed",
        "cheapest_item_free",
        "create_order",
        "2026-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "2026-01-01T00:00:00.0000001+14:00",
        "infinity",
        "javascript:alert(1)",
        "data:image/png,",
        "HTTPS://example.com/1.jpg",
        "//example.com/1.jpg",
        "\u{200b}",
        "\0",
        " a",
        "9223372036854775807",
    ]);
    prop_oneof![
        4 => odd.prop_map(Value::from),
        2 => "\\PC{0,4}".prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => prop::collection::vec("[a-z_]{0,12}", 0..3).prop_map(Value::from),
    ]
}

fn member(name: &'static str, usual: Value) -> impl Strategy<Value = Option<(&'static str, Value)>> {
    prop_oneof![6 => Just(Some((name, usual))), 3 => text().prop_map(move |value| Some((name, value))), 1 => Just(None)]
}

fn object<const N: usize>(members: [(&'static str, Value); N]) -> impl Strategy<Value = Value> {
    let members = members.map(|(name, usual)| member(name, usual));
    Vec::from(members).prop_map(|members| {
        let members = members.into_iter().flatten();
        Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

fn product() -> impl Strategy<Value = Value> {
    let image = object([
        ("thumbnail", json!("t")),
        ("mobile", json!("m")),
        ("tablet", json!("b")),
        ("desktop", json!("d")),
    ]);
    let row = object([
        ("id", json!("1")),
        ("name", json!("Tea")),
        ("price", json!("2.50")),
        ("category", json!("Drinks")),
    ]);
    (row, prop::option::of(image)).prop_map(|(mut row, image)| {
        row["image"] = image.into();
        row
    })
}

fn promotion() -> impl Strategy<Value = Value> {
    object([
        ("code", json!("SAVE")),
        ("kind", json!("percentage")),
        ("value", json!("10")),
        ("min_items", json!(2)),
        ("max_discount", json!("5")),
        ("starts_at", json!("2026-01-01T00:00:00Z")),
        ("ends_at", json!("2026-02-01T00:00:00Z")),
        ("max_uses", json!(1000)),
    ])
}

fn api_key() -> impl Strategy<Value = Value> {
    object([
        ("id", json!("018f4e5a-0000-7000-8000-0000000000a1")),
        ("key", json!("apitest")),
        ("user", json!(USER)),
        ("scopes", json!(["create_order", "read_orders"])),
        ("expires_at", json!("2026-01-01T00:00:00Z")),
    ])
}

/// How many rows were accepted; each of them is served.
fn check(kind: DatasetKind, sources: &Value, api_keys: Option<&Value>) -> usize {
    let input = |row: &Value| Input::of("rows.jsonl", row.to_string().as_bytes());
    let inputs = Inputs {
        sources: vec![input(sources)],
        api_keys: api_keys.map(input).into_iter().collect(),
        min_files: 2,
    };
    let reading = Reading {
        hash_keys: HashKeys::parse(None, false).unwrap(),
        production: false,
        coupons: crate::coupons::Settings::default(),
        progress: Arc::default(),
        interrupt: Arc::default(),
    };
    let (mut data, mut notes) = (Data::default(), Notes::default());
    let dataset = kind.dataset();
    (dataset.parse)(&inputs, &reading, &mut data, &mut notes).unwrap();
    let rows = (dataset.staged)(&data).unwrap();
    for row in &rows {
        let table = dataset
            .tables
            .iter()
            .find(|table| table.name == row.table)
            .unwrap();
        if let Some(is_served) = table.is_served {
            assert_eq!(is_served(&row.json), Ok(()), "{}", row.json);
        }
        if table.name == "products" {
            // Every picture that was accepted is served, too.
            let row: ProductRow = serde_json::from_str(&row.json).unwrap();
            let served = Product::try_from(row.clone()).unwrap();
            assert_eq!(ProductRow::from(served).image, row.image);
        }
    }
    rows.len()
}

proptest! {
    #[test]
    fn fuzz_products_that_are_accepted_are_served(row in product()) {
        check(DatasetKind::Products, &row, None);
    }

    #[test]
    fn fuzz_promotions_that_are_accepted_are_served(row in promotion()) {
        check(DatasetKind::Promotions, &row, None);
    }

    #[test]
    fn fuzz_api_keys_that_are_accepted_are_served(row in api_key()) {
        let user = json!({"id": USER, "email": "a@b", "name": "A", "role": "staff"});
        check(DatasetKind::Users, &user, Some(&row));
    }
}

#[test]
fn usual_rows_are_accepted() {
    let user = json!({"id": USER, "email": "a@b", "name": "A", "role": "staff"});
    let key = json!({"id": USER, "key": "k", "user": USER, "scopes": ["create_order"]});
    let product =
        json!({"id": 1, "name": "Tea", "price": 2.5, "category": "Drinks", "image": {"mobile": "m"}});
    let promotion = json!({"code": "SAVE", "kind": "fixed", "value": 1});
    assert_eq!(check(DatasetKind::Users, &user, Some(&key)), 2);
    assert_eq!(check(DatasetKind::Products, &product, None), 1);
    assert_eq!(check(DatasetKind::Promotions, &promotion, None), 1);
}
