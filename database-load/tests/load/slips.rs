//! A slip of each kind in each table is reported where it is, and changes nothing.

use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, findings, places};
use crate::validation::{KEYS, ORDERS, PRODUCTS, PROMOTIONS, USERS};

/// (file, text in it, text instead, what is reported)
fn slips() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let replace = |file, from, to: &str, says| (file, from, to.to_owned(), says);
    vec![
        replace(
            PRODUCTS,
            "2,Belgian",
            "1,Belgian",
            "products.csv:3, column id, value \"1\": stands in default/products.csv:2",
        ),
        replace(
            PRODUCTS,
            "2,Belgian",
            "02,Belgian",
            "products.csv:3, column id, value \"02\": a product id is",
        ),
        replace(
            PRODUCTS,
            "12.99",
            "-12.99",
            "products.csv:2, column price, value \"-12.99\": an amount is",
        ),
        replace(
            PRODUCTS,
            "12.99",
            "12.990",
            "products.csv:2, column price, value \"12.990\": an amount is",
        ),
        replace(PRODUCTS, "12.99", "", "products.csv:2, column price: is missing"),
        replace(
            PRODUCTS,
            "12.99",
            "100000000",
            "column price, value \"100000000\"",
        ),
        (
            PRODUCTS,
            "Chicken Waffle",
            "x".repeat(300),
            "column name, value \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\": has not 1 to 200",
        ),
        replace(
            PRODUCTS,
            "Chicken Waffle",
            " Chicken Waffle",
            "column name, value \" Chicken Waffle\": has blanks at its ends",
        ),
        replace(
            PRODUCTS,
            "Chicken Waffle",
            "Chicken\0Waffle",
            "column name, value \"Chicken\\0Waffle\": has a control",
        ),
        replace(
            PRODUCTS,
            "Waffle,,,,\n2",
            "Waffle,,,\n2",
            "products.csv:2: has 7 columns, the header has 8",
        ),
        replace(
            PRODUCTS,
            "Waffle,,,,\n2",
            "Waffle,,,,,\n2",
            "products.csv:2: has 9 columns, the header has 8",
        ),
        replace(
            PRODUCTS,
            "id,name",
            "id,title",
            "products.csv:1, column title: is no column of this table",
        ),
        replace(
            PRODUCTS,
            "id,name",
            "id,title",
            "products.csv:1, column name: is missing",
        ),
        replace(
            PRODUCTS,
            "id,name",
            "id,id",
            "products.csv:1, column id: stands there twice",
        ),
        replace(
            ORDERS,
            "{\"id\"",
            "{\"coupon\": \"A\", \"coupon\": \"B\", \"id\"",
            "orders.jsonl:1, column coupon: stands there twice",
        ),
        replace(
            PRODUCTS,
            "Veggie",
            "\"Veggie",
            "products.csv:11: ends inside the quotes that begin here",
        ),
        replace(
            PRODUCTS,
            "id,name",
            "id,\"name",
            "products.csv:1: ends inside the quotes that begin here",
        ),
        replace(
            USERS,
            "customer@",
            "KITCHEN@",
            "users.json:8, column email: stands in default/users.json:2",
        ),
        replace(
            USERS,
            "customer@example.com",
            "nobody",
            "column email: is not an e-mail address",
        ),
        replace(
            USERS,
            "\"customer\"",
            "\"king\"",
            "users.json:8, column role: is none of",
        ),
        replace(
            USERS,
            "\"role\"",
            "\"rank\"",
            "users.json:2: column 4 is no column of this table; the columns are id,email,name,role,development",
        ),
        replace(USERS, "[\n", "{\n", "users.json:"),
        replace(
            KEYS,
            "[\"create_order\", \"read_orders\"]",
            "[]",
            "api_keys.json:2, column scopes: is empty",
        ),
        replace(KEYS, "\"read_orders\"", "\"rule\"", "column scopes"),
        replace(
            KEYS,
            "8000-000000000002",
            "8000-00000000000f",
            "column user: is no user",
        ),
        replace(
            KEYS,
            "\"apitest\"",
            "\"api test\"",
            "api_keys.json:2, column key: has not 1 to 255 printable",
        ),
        replace(
            KEYS,
            "true\n  }",
            "true\n  },\n  {\"id\": \"018f4e5a-0000-7000-8000-0000000000a2\", \"key\": \"apitest\",\n   \
                \"user\": \"018f4e5a-0000-7000-8000-000000000002\", \"scopes\": [\"create_order\"]}",
            "api_keys.json:9, column key: stands in default/api_keys.json:2 already",
        ),
        replace(
            PROMOTIONS,
            "SAVE10,percentage,10,,,,",
            "SAVE10,percentage,10,,,2026-02-01T00:00:00Z,2026-01-01T00:00:00Z",
            "promotions.csv:2, column ends_at, value \"2026-01-01T00:00:00Z\": is not after starts_at",
        ),
        replace(
            PROMOTIONS,
            "SAVE10,percentage,10,,,,",
            "SAVE10,percentage,10,,,2026-01-01T00:00:00.0000001Z,2026-01-01T00:00:00.0000002Z",
            "column ends_at",
        ),
        replace(
            PROMOTIONS,
            "SAVE10,percentage,10,,,,",
            "SAVE10,percentage,10,,,0000-01-01T00:00:00Z,",
            "column starts_at",
        ),
        replace(
            PROMOTIONS,
            "SAVE10,percentage,10",
            "SAVE10,percentage,101",
            "column value, value \"101\": a value is",
        ),
        replace(
            PROMOTIONS,
            "SAVE10,percentage,10",
            "SAVE10,half,10",
            "column kind, value \"half\": a kind is",
        ),
        replace(
            PROMOTIONS,
            "SAVE10,percentage,10,",
            "SAVE10,percentage,10,0",
            "column min_items, value \"0\"",
        ),
        replace(
            PROMOTIONS,
            "SAVE10,percentage,10,,",
            "SAVE10,percentage,10,,0",
            "column max_discount, value \"0\": is not above 0",
        ),
        replace(
            PROMOTIONS,
            "HAPPYHOURS",
            "SAVE10",
            "promotions.csv:3, column code, value \"SAVE10\": stands in",
        ),
        replace(
            ORDERS,
            "\"product\": \"1\"",
            "\"product\": \"404\"",
            "line 1: `404` is no product",
        ),
        replace(
            ORDERS,
            "\"quantity\": 2",
            "\"quantity\": 1001",
            "line 1: a quantity is from 1 to 1000",
        ),
        replace(
            ORDERS,
            "\"product\": \"5\"",
            "\"product\": \"1\"",
            "line 2: product 1 stands on an earlier line",
        ),
        replace(
            ORDERS,
            "0000000000a1",
            "0000000000ff",
            "orders.jsonl:1, column api_key",
        ),
        replace(
            ORDERS,
            "SAVE10",
            "SAVE11",
            "orders.jsonl:2, column coupon, value \"SAVE11\": is no promotion",
        ),
        replace(
            ORDERS,
            "\"coupon\": \"SAVE10\"",
            "\"status\": \"placed\"",
            "orders.jsonl:2, column status",
        ),
        replace(
            ORDERS,
            "\"coupon\": \"SAVE10\"",
            "\"status\": \"rejected\"",
            "orders.jsonl:2, column reason",
        ),
        replace(ORDERS, "01943b60-fec0-7", "01943b60-fec0-4", "column id"),
        replace(
            ORDERS,
            "019440a7-65e0-7000-8000-000000000002",
            "01943b60-fec0-7000-8000-000000000001",
            "orders.jsonl:2, column id",
        ),
        replace(
            ORDERS,
            "{\"id\"",
            "\n{\"id\": ",
            "orders.jsonl:2, value \"{\\\"id\\\": : ",
        ),
    ]
}

#[tokio::test]
async fn every_slip_is_reported_where_it_is() {
    let database = TestDatabase::migrated().await;
    for (file, from, to, says) in slips() {
        let data = Data::copy();
        data.edit(file, from, &to);

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
