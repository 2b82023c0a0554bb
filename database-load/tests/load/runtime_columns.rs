//! What run time owns no load changes.

use process::failure::ExitCode;
use shop::HashKeys;
use test_support::TestDatabase;

use crate::fixture::{Data, findings, loaded};

#[tokio::test]
async fn a_revoked_key_stays_revoked() {
    let (database, data) = loaded().await;
    database
        .execute("UPDATE api_keys SET revoked_at = '2025-05-05T00:00:00Z'")
        .await;
    data.edit(
        "default/api_keys.json",
        r#""read_orders""#,
        r#""read_orders", "read_all_orders""#,
    );

    data.load(&database).await;

    let key = database
        .value("SELECT revoked_at AT TIME ZONE 'UTC', cardinality(scopes) FROM api_keys ORDER BY id LIMIT 1")
        .await;
    assert_eq!(key, "2025-05-05 00:00:00|3");
}

#[tokio::test]
async fn a_key_cannot_come_to_life_again_under_another_id() {
    let (database, data) = loaded().await;
    database.execute("UPDATE api_keys SET revoked_at = now()").await;
    data.edit("default/api_keys.json", "0000000000a1", "0000000000a2");
    for _ in 0..3 {
        data.edit("default/orders.jsonl", "0000000000a1", "0000000000a2");
    }

    let failure = data.try_load(&database).await.unwrap_err();

    assert_eq!(failure.code, ExitCode::InvalidData);
    assert!(
        findings(&failure).contains("a key keeps its id"),
        "{}",
        failure.line()
    );
    assert!(!failure.line().contains("apitest"));
    let count = "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL";
    assert_eq!(database.value(count).await, "0");
}

#[tokio::test]
async fn promotion_uses_survive_and_limited_promotions_get_a_counter() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit(
        "default/promotions.csv",
        "SIXTYOFF,percentage,60,,,,,",
        "SIXTYOFF,percentage,60,,,,,100",
    );
    data.load(&database).await;
    assert_eq!(
        database.rows("SELECT code, uses FROM promotion_uses").await,
        [["SIXTYOFF", "0"]]
    );
    database.execute("UPDATE promotion_uses SET uses = 42").await;
    data.edit("default/promotions.csv", ",,,,,100", ",,,,,50");
    data.edit(
        "default/promotions.csv",
        "GNULINUX,percentage,15,,,,,",
        "GNULINUX,percentage,15,,,,,5",
    );

    data.load(&database).await;

    let uses = database
        .rows("SELECT code, uses, max_uses FROM promotion_uses JOIN promotions USING (code) ORDER BY 1")
        .await;
    assert_eq!(uses, [["GNULINUX", "0", "5"], ["SIXTYOFF", "42", "50"]]);
}

#[tokio::test]
async fn orders_are_not_touched_by_a_reload() {
    let (database, data) = loaded().await;
    let rows = "SELECT ctid, xmin, xmax, total::text FROM orders UNION ALL
                SELECT ctid, xmin, xmax, unit_price::text FROM order_items ORDER BY 1, 4";
    let before = database.rows(rows).await;
    data.edit("default/products.csv", "12.99", "99.99");

    data.load(&database).await;

    assert_eq!(database.rows(rows).await, before);
}

#[tokio::test]
async fn a_new_hash_key_hashes_the_same_key_anew_under_its_id() {
    let (database, data) = loaded().await;
    let id = database
        .value("SELECT id FROM api_keys ORDER BY id LIMIT 1")
        .await;
    database
        .execute("UPDATE api_keys SET revoked_at = '2025-05-05T00:00:00Z'")
        .await;
    let keys = HashKeys::parse(
        Some("a new secret of some length,order-food-development-hash-key"),
        false,
    )
    .unwrap();
    let mut options = data.options();
    options.hash_keys = keys.clone();

    database_load::run(&database.database(), &options).await.unwrap();

    let expected: String = keys
        .writer()
        .hash(b"apitest")
        .0
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let stored = database
        .value("SELECT id, encode(key_hash, 'hex'), hash_key_id, revoked_at IS NULL FROM api_keys ORDER BY id LIMIT 1")
        .await;
    assert_eq!(stored, format!("{id}|{expected}|{}|f", keys.writer().id()));
}

#[tokio::test]
async fn two_users_may_swap_their_addresses_and_a_new_one_take_over_an_old() {
    let (database, data) = loaded().await;
    data.edit("default/users.json", "kitchen@", "swap@");
    data.edit("default/users.json", "customer@", "KITCHEN@");
    data.edit("default/users.json", "swap@", "customer@");

    data.load(&database).await;

    let emails = database
        .rows("SELECT email FROM users WHERE active ORDER BY id")
        .await;
    assert_eq!(emails, [["customer@example.com"], ["KITCHEN@example.com"]]);
}
