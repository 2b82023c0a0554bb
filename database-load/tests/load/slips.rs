//! A slip of each kind in each table is reported where it is, and changes nothing; those that every
//! format must report alike stand in `formats`.

use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, findings, places};
use crate::validation::{KEYS, ORDERS, PRODUCTS, PROMOTIONS, USERS};

/// (file, text in it, text instead, what is reported)
const SLIPS: [(&str, &str, &str, &str); 35] = [
    (
        PRODUCTS,
        "2,Belgian",
        "02,Belgian",
        "products.csv:3, column id, value \"02\": a product id is",
    ),
    (
        PRODUCTS,
        "12.99",
        "100000000",
        "column price, value \"100000000\"",
    ),
    (
        PRODUCTS,
        "Chicken Waffle",
        " Chicken Waffle",
        "column name, value \" Chicken Waffle\": has blanks at its ends",
    ),
    (
        PRODUCTS,
        "Chicken Waffle",
        "Chicken\0Waffle",
        "column name, value \"Chicken\\0Waffle\": has a control",
    ),
    (
        PRODUCTS,
        "Waffle,,,,\n2",
        "Waffle,,,\n2",
        "products.csv:2: has 7 columns, the header has 8",
    ),
    (
        PRODUCTS,
        "Waffle,,,,\n2",
        "Waffle,,,,,\n2",
        "products.csv:2: has 9 columns, the header has 8",
    ),
    (
        PRODUCTS,
        "id,name",
        "id,id",
        "products.csv:1, column id: stands there twice",
    ),
    (
        ORDERS,
        "{\"id\"",
        "{\"coupon\": \"A\", \"coupon\": \"B\", \"id\"",
        "orders.jsonl:1, column coupon: stands there twice",
    ),
    (
        PRODUCTS,
        "Veggie",
        "\"Veggie",
        "products.csv:11: ends inside the quotes that begin here",
    ),
    (
        PRODUCTS,
        "id,name",
        "id,\"name",
        "products.csv:1: ends inside the quotes that begin here",
    ),
    (
        USERS,
        "customer@",
        "KITCHEN@",
        "users.json:8, column email: stands in default/users.json:2",
    ),
    (
        USERS,
        "customer@example.com",
        "nobody",
        "column email: is not an e-mail address",
    ),
    (
        USERS,
        "\"customer\"",
        "\"king\"",
        "users.json:8, column role: is none of",
    ),
    (
        USERS,
        "\"role\"",
        "\"rank\"",
        "users.json:2: column 4 is no column of this table; the columns are id,email,name,role,development",
    ),
    (USERS, "[\n", "{\n", "users.json:"),
    (KEYS, "\"read_orders\"", "\"rule\"", "column scopes"),
    (
        KEYS,
        "8000-000000000002",
        "8000-00000000000f",
        "column user: is no user",
    ),
    (
        KEYS,
        "\"apitest\"",
        "\"api test\"",
        "api_keys.json:2, column key: has not 1 to 255 printable",
    ),
    (
        KEYS,
        "true\n  }",
        "true\n  },\n  {\"id\": \"018f4e5a-0000-7000-8000-0000000000a2\", \"key\": \"apitest\",\n   \
                \"user\": \"018f4e5a-0000-7000-8000-000000000002\", \"scopes\": [\"create_order\"]}",
        "api_keys.json:9, column key: stands in default/api_keys.json:2 already",
    ),
    (
        PROMOTIONS,
        "SAVE10,percentage,10,,,,",
        "SAVE10,percentage,10,,,2026-01-01T00:00:00.0000001Z,2026-01-01T00:00:00.0000002Z",
        "column ends_at",
    ),
    (
        PROMOTIONS,
        "SAVE10,percentage,10,,,,",
        "SAVE10,percentage,10,,,0000-01-01T00:00:00Z,",
        "column starts_at",
    ),
    (
        PROMOTIONS,
        "SAVE10,percentage,10",
        "SAVE10,percentage,101",
        "column value, value \"101\": a value is",
    ),
    (
        PROMOTIONS,
        "SAVE10,percentage,10",
        "SAVE10,half,10",
        "column kind, value \"half\": a kind is",
    ),
    (
        PROMOTIONS,
        "SAVE10,percentage,10,",
        "SAVE10,percentage,10,0",
        "column min_items, value \"0\"",
    ),
    (
        PROMOTIONS,
        "SAVE10,percentage,10,,",
        "SAVE10,percentage,10,,0",
        "column max_discount, value \"0\": is not above 0",
    ),
    (
        PROMOTIONS,
        "HAPPYHOURS",
        "SAVE10",
        "promotions.csv:3, column code, value \"SAVE10\": stands in",
    ),
    (
        ORDERS,
        "\"quantity\": 2",
        "\"quantity\": 1001",
        "line 1: a quantity is from 1 to 1000",
    ),
    (
        ORDERS,
        "\"product\": \"5\"",
        "\"product\": \"1\"",
        "line 2: product 1 stands on an earlier line",
    ),
    (
        ORDERS,
        "0000000000a1",
        "0000000000ff",
        "orders.jsonl:1, column api_key",
    ),
    (
        ORDERS,
        "SAVE10",
        "SAVE11",
        "orders.jsonl:2, column coupon, value \"SAVE11\": is no promotion",
    ),
    (
        ORDERS,
        "\"coupon\": \"SAVE10\"",
        "\"status\": \"placed\"",
        "orders.jsonl:2, column status",
    ),
    (
        ORDERS,
        "\"coupon\": \"SAVE10\"",
        "\"status\": \"rejected\"",
        "orders.jsonl:2, column reason",
    ),
    (ORDERS, "01943b60-fec0-7", "01943b60-fec0-4", "column id"),
    (
        ORDERS,
        "019440a7-65e0-7000-8000-000000000002",
        "01943b60-fec0-7000-8000-000000000001",
        "orders.jsonl:2, column id",
    ),
    (
        ORDERS,
        "{\"id\"",
        "\n{\"id\": ",
        "orders.jsonl:2, value \"{\\\"id\\\": : ",
    ),
];

#[tokio::test]
async fn every_slip_is_reported_where_it_is() {
    let database = TestDatabase::migrated().await;
    for (file, from, to, says) in SLIPS {
        let data = Data::copy();
        data.edit(file, from, to);

        let failure = data.try_load(&database).await.expect_err(says);

        assert_eq!(failure.code, ExitCode::InvalidData, "{says}: {}", failure.line());
        assert!(
            findings(&failure).contains(says),
            "{says}\n{}",
            findings(&failure)
        );
    }
    assert_eq!(places(&database).await, Vec::<Vec<String>>::new());
}
