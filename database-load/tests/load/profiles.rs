//! Which profiles a run takes, and in which order.

use database_load::LoadOptions;
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, PRICE_OF_3, loaded};

#[tokio::test]
async fn a_profile_that_brings_less_leaves_the_rest_alone() {
    let (database, data) = loaded().await;
    data.write(
        "prices.toml",
        "[operations.products]\nsources = [\"default/products.csv\"]\n",
    );
    data.edit("default/products.csv", "9.99", "10.49");
    let options = LoadOptions {
        profiles: vec![data.path("prices.toml")],
        ..data.options()
    };

    database_load::run(&database.database(), &options).await.unwrap();

    assert_eq!(database.value(PRICE_OF_3).await, "10.49");
    let count = "SELECT count(*) FROM promotions WHERE active";
    assert_eq!(database.value(count).await, "11");
    let active = database
        .rows("SELECT profile FROM dataset_versions WHERE state = 'active' ORDER BY 1")
        .await;
    assert_eq!(active, [["default"], ["prices"]]);
}

#[tokio::test]
async fn a_profile_given_twice_is_refused() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let options = LoadOptions {
        profiles: vec![data.profile(), data.profile()],
        ..data.options()
    };

    let failure = database_load::run(&database.database(), &options)
        .await
        .unwrap_err();

    assert_eq!(failure.code, ExitCode::Usage);
}

#[tokio::test]
async fn json_json_lines_and_csv_bring_the_same_rows() {
    let rows = "SELECT id, name, price, category FROM products ORDER BY id";
    let mut all = Vec::new();
    for (file, text) in [
        (
            "p.csv",
            "id,name,price,category\r\n1,\"Tea, green\",2.50,Drinks\r\n",
        ),
        (
            "p.json",
            r#"[{"id": "1", "name": "Tea, green", "price": 2.50, "category": "Drinks"}]"#,
        ),
        (
            "p.jsonl",
            "{\"id\": 1, \"name\": \"Tea, green\", \"price\": \"2.5\", \"category\": \"Drinks\"}\n",
        ),
    ] {
        let (database, data) = (TestDatabase::migrated().await, Data::copy());
        data.bring_products(&format!("\"{file}\""));
        data.write(file, text);
        data.load(&database).await;
        all.push(database.rows(rows).await);
    }
    assert_eq!(all, [[["1", "Tea, green", "2.50", "Drinks"]]; 3]);
}
