//! Tables that cannot be read as a whole: their last state stays, all others are refreshed.

use test_support::eventually;

use crate::client::Request;
use crate::fixtures::{self, APITEST, OTHER, PIZZA, key_id};
use crate::harness::TestApp;
use crate::unreadable::is_up_to_date;

/// Every table of the snapshot but the ledger: without that the schema is too old.
const TABLES: [&str; 8] = [
    "products",
    "promotions",
    "api_keys",
    "users",
    "coupon_codes",
    "dataset_versions",
    "bootstrap_runs",
    "webhook_endpoints",
];

async fn rename(app: &TestApp, from: &str, to: &str) {
    app.database
        .execute(&format!(
            "ALTER TABLE {from} RENAME TO {to}; NOTIFY dataset_published"
        ))
        .await;
}

#[tokio::test]
async fn a_table_that_cannot_be_read_keeps_its_state_and_all_others_are_refreshed() {
    let app = TestApp::start().await;
    let catalogue = app.get("/api/product").await;

    for (round, table) in TABLES.into_iter().enumerate() {
        rename(&app, table, "away").await;
        eventually(&format!("{table} is missed"), async || !is_up_to_date(&app).await).await;

        let price = 10 + round;
        let is_of_keys = ["api_keys", "users"].contains(&table);
        if table != "products" {
            app.database
                .execute(&format!(
                    "UPDATE products SET price = {price} WHERE id = 7; NOTIFY dataset_published"
                ))
                .await;
            eventually(&format!("without {table}: the price is served"), async || {
                app.get("/api/product/7").await.json()["price"] == price as f64
            })
            .await;
        } else {
            assert_eq!(app.get("/api/product").await.bytes(), catalogue.bytes());
        }
        if table != "promotions" {
            app.database
                .execute(&format!(
                    "UPDATE promotions SET value = {round} + 1 WHERE code = 'SAVE10'; NOTIFY dataset_published"
                ))
                .await;
            eventually(
                &format!("without {table}: the promotion is applied"),
                async || {
                    let order = app.place_order([(1, 1)]).coupon("SAVE10").send().await.json();
                    order["discounts"] == ((1299.0 * (round as f64 + 1.0)) / 100.0).round() / 100.0
                },
            )
            .await;
        }
        if !is_of_keys {
            app.database
                .execute(&format!(
                    "UPDATE api_keys SET revoked_at = now() WHERE id = '{}'; NOTIFY dataset_published",
                    key_id(OTHER)
                ))
                .await;
            eventually(&format!("without {table}: the key is revoked"), async || {
                app.get_as(OTHER, "/api/order").await.status() == 403
            })
            .await;
        }
        assert_eq!(app.get("/ready").await.status(), 200, "{table}");
        assert_eq!(app.get_as(APITEST, "/api/order").await.status(), 200, "{table}");
        let coupon = app.place_order([(1, 1)]).coupon("BULKCODE").send().await;
        assert_eq!(coupon.status(), 200, "{table}");

        rename(&app, "away", table).await;
        app.database
            .execute("UPDATE api_keys SET revoked_at = NULL WHERE revoked_at > now() - interval '1 hour'; NOTIFY dataset_published")
            .await;
        eventually(&format!("{table} is back"), async || {
            is_up_to_date(&app).await && app.get_as(OTHER, "/api/order").await.status() == 200
        })
        .await;
    }
}

#[tokio::test]
async fn versions_of_other_tools_in_the_ledger_are_no_versions_of_the_schema() {
    let app = TestApp::start().await;

    app.publish(
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000000'), ('2024-01-01-000000'), ('x');
         UPDATE products SET price = 20.00 WHERE id = 7",
    )
    .await;

    assert!(is_up_to_date(&app).await);
    assert_eq!(app.get("/api/product/7").await.json()["price"], 20.0);
}

#[tokio::test]
async fn a_changed_column_type_is_read_over_a_new_connection() {
    let app = TestApp::start().await;

    app.publish(
        "ALTER TABLE products ALTER COLUMN price TYPE numeric(12, 2), ALTER COLUMN name TYPE varchar(200);
         UPDATE products SET price = 20.00 WHERE id = 7",
    )
    .await;

    eventually("the price is served", async || {
        app.get("/api/product/7").await.json()["price"] == 20.0
    })
    .await;
    eventually("all is up to date", async || is_up_to_date(&app).await).await;
}

#[tokio::test]
async fn a_locked_catalogue_delays_no_revocation() {
    let app = TestApp::start().await;
    let mut holder = app.database.client().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute(
        "LOCK TABLE products, promotions, coupon_codes, bootstrap_runs IN ACCESS EXCLUSIVE MODE",
    )
    .await
    .unwrap();

    app.database
        .execute(&format!(
            "UPDATE api_keys SET revoked_at = now() WHERE id = '{}'; NOTIFY dataset_published",
            key_id(OTHER)
        ))
        .await;

    eventually("the key is revoked", async || {
        app.get_as(OTHER, "/api/order").await.status() == 403
    })
    .await;
    assert_eq!(app.get("/api/product").await.status(), 200);
    lock.commit().await.unwrap();
    eventually("all are read again", async || is_up_to_date(&app).await).await;
}

#[tokio::test]
async fn keys_that_cannot_be_read_for_too_long_are_not_believed_and_the_catalogue_is_served() {
    let app = TestApp::with(|settings| settings.snapshot_max_age_s = 1).await;
    rename(&app, "api_keys", "away").await;

    let list = Request::get("/api/order").header("api_key", APITEST);
    eventually("the keys are stale", async || {
        app.send(&list).await.error() == (503, "keys_stale".into())
    })
    .await;
    assert_eq!(app.send(&list).await.header("retry-after"), Some("1"));
    for key in [APITEST, "unknown"] {
        let answer = app.place_order([(PIZZA, 1)]).key(key).send().await;
        assert_eq!(answer.error(), (503, "keys_stale".into()), "{key}");
    }
    assert_eq!(app.send(&Request::get("/api/order")).await.status(), 401);
    assert_eq!(app.get("/api/product").await.status(), 200);
    assert_eq!(app.get_as("unknown", "/api/product/7").await.status(), 200);
    assert_eq!(app.get("/ready").await.status(), 200);

    rename(&app, "away", "api_keys").await;
    eventually("the keys are believed again", async || {
        app.send(&list).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn other_tables_that_cannot_be_read_leave_the_keys_good() {
    let app = TestApp::with(|settings| settings.snapshot_max_age_s = 1).await;
    rename(&app, "products", "away").await;
    eventually("the catalogue is stale", async || !is_up_to_date(&app).await).await;

    tokio::time::sleep(std::time::Duration::from_secs(3)).await;

    app.place_order([(PIZZA, 1)]).accepted().await;
    assert_eq!(app.get("/ready").await.status(), 200);
}

#[tokio::test]
async fn a_stale_snapshot_turns_ready_where_that_is_set() {
    let app = TestApp::with(|settings| {
        settings.snapshot_max_age_s = 1;
        settings.snapshot_stale = order_food::SnapshotStale::Unready;
    })
    .await;
    rename(&app, "promotions", "away").await;

    app.server.until_ready_is(503).await;

    let reason = app.get("/ready").await.json()["reason"].clone();
    assert_eq!(reason, "the shop's data are stale: a table cannot be read");
    assert_eq!(app.get("/api/product").await.status(), 200);
    rename(&app, "away", "promotions").await;
    app.server.until_ready_is(200).await;
}

#[tokio::test]
async fn a_replica_without_a_first_state_of_a_table_is_not_ready() {
    let database = fixtures::database().await;
    database.execute("ALTER TABLE promotions RENAME TO away").await;
    let app = TestApp::over(database, |_| ());

    eventually("the reason is given", async || {
        app.get("/ready").await.json()["reason"] == "the shop's data cannot be read"
    })
    .await;
    assert_eq!(app.get("/api/product").await.status(), 503);

    rename(&app, "away", "promotions").await;
    app.server.until_ready_is(200).await;
}
