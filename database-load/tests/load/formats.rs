//! The same slip is reported the same way in CSV, JSON and JSON Lines, plain, in gzip and in zstd.

use std::sync::Arc;

use database_load::DatasetKind;
use database_load::profile::Profile;
use database_load::sources::{self, Settings};
use database_load::{Reading, read};
use process::failure::{ExitCode, Failure};
use serde_json::{Map, Value, json};
use shop::HashKeys;

use crate::fixture::{Data, findings};
use crate::packing::{gzip, zstd};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Csv,
    Json,
    JsonLines,
}

const SHAPES: [(Shape, &str); 3] = [
    (Shape::Csv, "csv"),
    (Shape::Json, "json"),
    (Shape::JsonLines, "jsonl"),
];
type Pack = fn(Vec<u8>) -> Vec<u8>;
const PACKINGS: [(Pack, &str); 3] = [
    (|text| text, ""),
    (|text| gzip(text), ".gz"),
    (|text| zstd(text), ".zst"),
];

/// Stands for the byte E9, which is no UTF-8.
const LATIN1: &str = "LATIN1";

type Table = Vec<Map<String, Value>>;

fn table(rows: Value) -> Table {
    serde_json::from_value(rows).unwrap()
}

impl Shape {
    fn write(self, table: &Table) -> Vec<u8> {
        let lines: Vec<String> = match self {
            Shape::Csv => {
                let header: Vec<&String> = table[0].keys().collect();
                let row = |row: &Map<String, Value>| {
                    header
                        .iter()
                        .map(|name| field(&row[*name]))
                        .collect::<Vec<_>>()
                        .join(",")
                };
                let names: Vec<&str> = header.iter().map(|name| name.as_str()).collect();
                std::iter::once(names.join(","))
                    .chain(table.iter().map(row))
                    .collect()
            }
            Shape::Json => {
                let rows: Vec<String> = table
                    .iter()
                    .map(|row| Value::Object(row.clone()).to_string())
                    .collect();
                vec!["[".into(), rows.join(",\n"), "]".into()]
            }
            Shape::JsonLines => table
                .iter()
                .map(|row| Value::Object(row.clone()).to_string())
                .collect(),
        };
        let text = format!("{}\n", lines.join("\n"));
        let mut bytes = Vec::new();
        for (number, piece) in text.split(LATIN1).enumerate() {
            if number > 0 {
                bytes.push(0xe9);
            }
            bytes.extend(piece.as_bytes());
        }
        bytes
    }

    /// The line of a row, counted from 0; that of the header for what concerns a whole CSV file.
    fn line(self, row: usize) -> usize {
        match self {
            Shape::Csv | Shape::Json => row + 2,
            Shape::JsonLines => row + 1,
        }
    }

    fn line_of_columns(self, row: usize) -> usize {
        match self {
            Shape::Csv => 1,
            _ => self.line(row),
        }
    }
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(field).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Writes the table into the profile of the data, as products, API keys, promotions or orders, and
/// reads everything.
pub(crate) async fn read_all(
    data: &Data,
    key: &str,
    file: &str,
    bytes: Vec<u8>,
    production: bool,
) -> Result<database_load::Data, Failure> {
    data.write(file, bytes);
    let rest = |own: &str, shipped: &str| {
        if own == key {
            file.to_owned()
        } else {
            shipped.to_owned()
        }
    };
    let mut profile = format!(
        "[operations.products]\nsources = [\"{}\"]\n[operations.users]\nsources = [\"{}\"]\n\
         api_keys = [\"{}\"]\n[operations.promotions]\nsources = [\"{}\"]\n",
        rest("products", "default/products.csv"),
        rest("users", "default/users.json"),
        rest("api_keys", "default/api_keys.json"),
        rest("promotions", "default/promotions.csv"),
    );
    if key == "orders" {
        profile += &format!("[operations.orders]\nsources = [\"{file}\"]\n");
    }
    data.write("default.toml", profile);
    let profile = Profile::read(&data.profile())?;
    let sources: Vec<_> = profile.sources().cloned().collect();
    let inputs = sources::open(&sources, &Settings::default()).await?;
    let reading = Reading {
        hash_keys: HashKeys::parse(None, false).unwrap(),
        production,
        coupons: database_load::coupons::Settings::default(),
        progress: Arc::default(),
        interrupt: Arc::default(),
    };
    read(&profile, &inputs, &reading)
}

struct Slip {
    /// Key of the profile that names the file.
    key: &'static str,
    table: Table,
    /// What is said after the file, by the shape.
    says: fn(Shape) -> String,
}

fn slips() -> Vec<Slip> {
    let products = |change: &dyn Fn(&mut Table)| {
        let mut table = table(json!([
            {"id": "1", "name": "Chicken Waffle", "price": "12.99", "category": "Waffle"},
            {"id": "5", "name": "Caesar Salad", "price": "8.99", "category": "Salad"},
        ]));
        change(&mut table);
        table
    };
    let promotion = |starts_at: &str, ends_at: &str| {
        table(json!([
            {"code": "SAVE10", "kind": "percentage", "value": "10", "starts_at": null, "ends_at": null},
            {"code": "PAST", "kind": "fixed", "value": "1", "starts_at": starts_at, "ends_at": ends_at},
        ]))
    };
    let key = |scopes: Value| {
        table(json!([{
            "id": "018f4e5a-0000-7000-8000-0000000000a1", "key": "S3CRET",
            "user": "018f4e5a-0000-7000-8000-000000000002", "scopes": scopes,
        }]))
    };
    let order = |product: &str| {
        table(json!([{
            "id": "01943b60-fec0-7000-8000-000000000001", "api_key": "018f4e5a-0000-7000-8000-0000000000a1",
            "items": [{"product": product, "quantity": 1}],
        }]))
    };
    let set = |row: usize, column: &'static str, value: &str| {
        let value = Value::from(value);
        products(&|table: &mut Table| {
            table[row].insert(column.into(), value.clone());
        })
    };
    let slip = |key, table, says| Slip { key, table, says };
    vec![
        slip("products", set(1, "id", "1"), |shape| {
            format!("{}, column id, value \"1\": stands in menu", shape.line(1))
        }),
        slip("products", set(1, "price", "-8.99"), |shape| {
            format!("{}, column price, value \"-8.99\": an amount is", shape.line(1))
        }),
        slip("products", set(1, "price", "8.990"), |shape| {
            format!("{}, column price, value \"8.990\": an amount is", shape.line(1))
        }),
        slip("products", set(0, "name", &"x".repeat(300)), |shape| {
            format!(
                "{}, column name, value \"{}…\": has not 1 to 200",
                shape.line(0),
                "x".repeat(40)
            )
        }),
        slip(
            "products",
            set(0, "name", &format!("Caf{LATIN1}")),
            |shape| match shape {
                Shape::Csv => "2, column name, value \"Caf\u{fffd}\": is not UTF-8".into(),
                _ => format!("{}, value \"{{", shape.line(0)),
            },
        ),
        slip(
            "products",
            products(&|table| table.iter_mut().for_each(|row| drop(row.remove("price")))),
            |shape| format!("{}, column price: is missing", shape.line_of_columns(0)),
        ),
        slip(
            "products",
            products(&|table| {
                table
                    .iter_mut()
                    .for_each(|row| drop(row.insert("colour".into(), "red".into())));
            }),
            |shape| {
                format!(
                    "{}, column colour: is no column of this table",
                    shape.line_of_columns(0)
                )
            },
        ),
        slip(
            "promotions",
            promotion("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            |shape| {
                format!(
                    "{}, column ends_at, value \"2026-01-01T00:00:00Z\": is not after starts_at",
                    shape.line(1)
                )
            },
        ),
        slip(
            "promotions",
            promotion("2026-02-30T00:00:00Z", "2026-03-01T00:00:00Z"),
            |shape| {
                format!(
                    "{}, column starts_at, value \"2026-02-30T00:00:00Z\": is not a time",
                    shape.line(1)
                )
            },
        ),
        slip("api_keys", key(json!([])), |shape| {
            format!(
                "{}, column scopes: is empty: a key without scopes can do nothing",
                shape.line(0)
            )
        }),
        slip("orders", order("404"), |shape| {
            format!("{}, column items, value \"[", shape.line(0))
        }),
        slip("orders", order("404"), |_| {
            "line 1: `404` is no product of this profile".into()
        }),
    ]
}

#[tokio::test]
async fn every_slip_is_reported_alike_in_every_format_and_packing() {
    for Slip { key, table, says } in slips() {
        for (shape, ending) in SHAPES {
            if key == "orders" && shape == Shape::Csv {
                continue;
            }
            for (pack, packed) in PACKINGS {
                let (data, file) = (Data::copy(), format!("menu.{ending}{packed}"));

                let read = read_all(&data, key, &file, pack(shape.write(&table)), false).await;

                let failure = read.expect_err(&says(shape));
                assert_eq!(failure.code, ExitCode::InvalidData, "{file}: {}", failure.line());
                let found = findings(&failure);
                let place = format!("{file}:");
                assert!(found.lines().any(|line| line.starts_with(&place)), "{found}");
                assert!(found.contains(&says(shape)), "{file}: {}\n{found}", says(shape));
                assert!(!found.contains("S3CRET"), "{found}");
            }
        }
    }
}

#[tokio::test]
async fn a_byte_order_mark_and_crlf_are_fine_in_every_format_and_packing() {
    let table = table(json!([
        {"id": "1", "name": "Café, \"large\"".replace('"', ""), "price": "12.99", "category": "Waffle"},
        {"id": "5", "name": "Salad", "price": "8.99", "category": "Salad"},
        {"id": "7", "name": "Pizza", "price": "13.99", "category": "Pizza"},
        {"id": "8", "name": "Pizza", "price": "15.99", "category": "Pizza"},
        {"id": "6", "name": "Salad", "price": "9.49", "category": "Salad"},
        {"id": "9", "name": "Burger", "price": "11.49", "category": "Burger"},
        {"id": "10", "name": "Burger", "price": "10.49", "category": "Burger"},
        {"id": "2", "name": "Waffle", "price": "10.49", "category": "Waffle"},
        {"id": "3", "name": "Pancakes", "price": "10.49", "category": "Pancakes"},
    ]));
    for (shape, ending) in SHAPES {
        for (pack, packed) in PACKINGS {
            let (data, file) = (Data::copy(), format!("menu.{ending}{packed}"));
            let text = String::from_utf8(shape.write(&table))
                .unwrap()
                .replace("Café, large", "Café");
            let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));

            let read = read_all(&data, "products", &file, pack(text.into_bytes()), false).await;

            let read =
                read.unwrap_or_else(|failure| panic!("{file}: {}: {}", failure.line(), findings(&failure)));
            assert_eq!(read.count(DatasetKind::Products), 9, "{file}");
        }
    }
}

#[tokio::test]
async fn what_is_packed_and_damaged_is_reported_where_it_ends() {
    let rows: String = (1..20_000)
        .map(|id| format!("{id},Tea {id},1.00,Drinks\n"))
        .collect();
    let text = format!("id,name,price,category\n{rows}");
    for (pack, ending) in &PACKINGS[1..] {
        let (data, file) = (Data::copy(), format!("menu.csv{ending}"));
        let whole = pack(text.clone().into_bytes());

        let cut = read_all(&data, "products", &file, whole[..whole.len() / 2].to_vec(), false).await;

        let failure = cut.expect_err("cut off");
        assert_eq!(failure.code, ExitCode::InvalidData, "{}", failure.line());
        let found = findings(&failure);
        assert!(found.contains("data are cut off"), "{found}");
        assert!(found.starts_with(&format!("{file}:")), "{found}");
        // The content decides, not the name.
        let plain = read_all(&data, "products", &file, text.clone().into_bytes(), false).await;
        assert_eq!(
            plain.map(|read| read.count(DatasetKind::Products)).ok(),
            Some(19_999)
        );
    }
}
