//! Bad input is reported by file, line, column and reason, and never by the database.

use test_support::TestDatabase;

use crate::fixture::{Data, findings, load_binary};

const PRODUCTS: &str = "default/products.csv";
const USERS: &str = "default/users.json";
const PROMOTIONS: &str = "default/promotions.csv";
const ORDERS: &str = "default/orders.jsonl";

#[tokio::test]
async fn what_is_not_utf8_is_reported_where_it_is() {
    let database = TestDatabase::migrated().await;
    for (file, line, says) in [
        (
            PRODUCTS,
            "11,Caf\u{e9},1.00,Drinks,,,,\n",
            "products.csv:12, column name, value \"Caf\u{fffd}\": is not UTF-8",
        ),
        (
            ORDERS,
            "{\"id\": \"\u{e9}\"}\n",
            "orders.jsonl:4, value \"{\\\"id\\\": \\\"\u{fffd}\\\"}\": is not UTF-8",
        ),
        (USERS, "\u{e9}", "users.json:15: is not UTF-8"),
    ] {
        let data = Data::copy();
        let mut bytes = std::fs::read(data.path(file)).unwrap();
        bytes.extend(line.chars().map(|char| u8::try_from(char).unwrap()));
        data.write(file, bytes);

        let failure = data.try_load(&database).await.expect_err(says);

        assert!(
            findings(&failure).contains(says),
            "{says}\n{}",
            findings(&failure)
        );
    }
}

#[tokio::test]
async fn lines_are_counted_past_empty_ones_and_quoted_line_ends() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit(
        PRODUCTS,
        "2,Belgian Waffle,10.99",
        "\n\r\n2,\"Belgian\nWaffle\",10.99",
    );
    data.edit(PRODUCTS, "9.99", "9.999");

    let failure = data.try_load(&database).await.unwrap_err();

    let findings = findings(&failure);
    assert!(findings.contains("products.csv:5, column name"), "{findings}");
    assert!(findings.contains("products.csv:7, column price"), "{findings}");
}

#[tokio::test]
async fn all_operations_are_reported_at_once_up_to_a_hundred_rows() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let bad: String = (20..200).map(|id| format!("{id},x,-1,y,,,,\n")).collect();
    data.edit(PRODUCTS, "1,Chicken", &format!("{bad}1,Chicken"));
    data.edit(PROMOTIONS, "SAVE10,percentage,10", "SAVE10,percentage,0");

    let failure = data.try_load(&database).await.unwrap_err();

    assert_eq!(findings(&failure).lines().count(), 100);
    assert!(failure.line().contains("181 problems"), "{}", failure.line());
    let message = database
        .value("SELECT message FROM bootstrap_runs WHERE task = 'database-load'")
        .await;
    assert!(message.contains("181 problems"), "{message}");
}

#[tokio::test]
async fn keys_that_stand_where_they_should_not_are_never_shown() {
    let database = TestDatabase::migrated().await;
    let row =
        "018f4e5a-0000-7000-8000-0000000000a1,S3CRET,018f4e5a-0000-7000-8000-000000000002,create_order\n";
    for (file, text, says) in [
        (
            "keys.csv",
            row.to_owned(),
            "keys.csv:1: column 2 is no column of this table; the columns are id,key,user",
        ),
        (
            "keys.csv",
            format!("key,id,user,scopes\n{row}"),
            "keys.csv:2, column id: is not a UUID",
        ),
        (
            "keys.csv",
            format!("id,scopes,user,key\n{row}"),
            "keys.csv:2, column scopes: a scope is one of",
        ),
        (
            "keys.csv",
            format!("id,key,user,scopes,development\n{},S3CRET\n", row.trim()),
            "keys.csv:2, column development: is neither",
        ),
        (
            "keys.json",
            r#"[{"id": 1, "S3CRET": "key"}]"#.into(),
            "keys.json:1: column 2 is no column of this table",
        ),
        (
            "keys.jsonl",
            r#"{"id": "S3CRET", "key": "S3CRET"}"#.into(),
            "keys.jsonl:1, column id: is not a UUID",
        ),
    ] {
        let data = Data::copy();
        data.edit("default.toml", "default/api_keys.json", file);
        data.write(file, text);

        let output = load_binary(&database, &data, &[]).await.exits(10);

        output.assert_stderr(says);
        assert!(!output.stderr.contains("S3CRET"), "{}", output.stderr);
    }
    let told = "SELECT count(*) FROM bootstrap_runs WHERE message LIKE '%S3CRET%'";
    assert_eq!(database.value(told).await, "0");
}
