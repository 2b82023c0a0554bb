//! The jobs of orders: exactly one for each active endpoint and stored order.

use futures_util::future::join_all;
use serde_json::Value;
use test_support::eventually;

use super::{add, webhooks_json};
use crate::coupons::MANY_CODES;
use crate::faults::proxy::{CUTS, Proxy};
use crate::fixtures::{self, PIZZA, WAFFLE};
use crate::harness::TestApp;

const URL: &str = "http://127.0.0.1:9/";

/// Orders without a job for one of the endpoints, and jobs without an order, or more than one.
const WRONG: &str = "
    SELECT order_id, endpoint, count(job.id) FROM
        (SELECT orders.id AS order_id, webhook_endpoints.id AS endpoint FROM orders, webhook_endpoints) AS owed
    FULL JOIN job ON payload = jsonb_build_object('event', 'order.placed', 'order', order_id, 'endpoint', endpoint)
        AND kind = 'order.webhook' AND priority = 0
    GROUP BY order_id, endpoint HAVING count(job.id) <> 1 OR order_id IS NULL";

async fn until_known(app: &TestApp, endpoints: &str) {
    eventually("the server knows the endpoints", async || {
        let before = app.database.value("SELECT count(*) FROM job").await;
        app.place_order([(PIZZA, 1)]).accepted().await;
        let after = app.database.value("SELECT count(*) FROM job").await;
        let made = after.parse::<i64>().unwrap() - before.parse::<i64>().unwrap();
        made.to_string() == endpoints
    })
    .await;
    app.database
        .execute("DELETE FROM order_items; DELETE FROM orders; DELETE FROM job")
        .await;
}

async fn assert_one_job_each(app: &TestApp) {
    let wrong = app.database.rows(WRONG).await;
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn without_an_endpoint_an_order_makes_no_job() {
    let app = TestApp::start().await;

    app.place_order([(PIZZA, 1)]).accepted().await;
    app.place_order([(PIZZA, 1)])
        .idempotency_key("one")
        .accepted()
        .await;

    assert_eq!(app.database.value("SELECT count(*) FROM job").await, "0");
}

#[tokio::test]
async fn each_kind_of_order_makes_one_job_for_each_endpoint_and_a_refused_or_repeated_one_none() {
    let app = TestApp::start().await;
    app.promotion("LIMITED3").max_uses(3).insert().await;
    add(&app.database, URL).await;
    add(&app.database, URL).await;
    until_known(&app, "2").await;

    app.place_order([(PIZZA, 1)]).accepted().await;
    app.place_order([(WAFFLE, 2)]).coupon("SAVE10").accepted().await;
    for key in ["one", "two", "one", "two", "three"] {
        app.place_order([(PIZZA, 1)])
            .idempotency_key(key)
            .accepted()
            .await;
    }
    let crowd = (0..10).map(|_| app.place_order([(PIZZA, 1)]).coupon("LIMITED3").send());
    let redeemed = join_all(crowd)
        .await
        .iter()
        .filter(|answer| answer.status() == 200)
        .count();
    app.place_order([(999, 1)]).send().await;

    assert_eq!((redeemed, app.order_count().await), (3, 8));
    assert_eq!(app.database.value("SELECT count(*) FROM job").await, "16");
    assert_one_job_each(&app).await;
}

#[tokio::test]
async fn orders_with_bulk_codes_that_are_looked_up_make_a_job_only_if_they_are_stored() {
    let app = TestApp::start().await;
    app.publish(MANY_CODES).await;
    add(&app.database, URL).await;
    until_known(&app, "1").await;

    let codes = ["BULKCODE", "NOSUCHCODE", "BULKCODE10", "ALSONOCODE"];
    let orders = codes.map(|code| app.place_order([(PIZZA, 1)]).coupon(code).send());
    let statuses: Vec<u16> = join_all(orders)
        .await
        .iter()
        .map(|answer| answer.status())
        .collect();

    assert_eq!(statuses, [200, 422, 200, 422]);
    assert_one_job_each(&app).await;
}

#[tokio::test]
async fn an_order_whose_commit_was_not_answered_has_one_job() {
    let database = fixtures::database().await;
    add(&database, URL).await;
    let (app, proxy) = Proxy::before(database, |_| ()).await;

    for wire in CUTS {
        let cuts = proxy.cuts();
        proxy.set(wire);
        app.place_order([(PIZZA, 1)]).accepted().await;
        assert_eq!(proxy.cuts(), cuts + 1, "{wire:?}");
        proxy.set(wire);
        let key = format!("{wire:?}");
        app.place_order([(PIZZA, 1)])
            .idempotency_key(&key)
            .accepted()
            .await;
        app.place_order([(PIZZA, 1)])
            .idempotency_key(&key)
            .accepted()
            .await;
    }

    assert_eq!(app.order_count().await, 10);
    assert_eq!(app.database.value("SELECT count(*) FROM job").await, "10");
    assert_one_job_each(&app).await;
}

#[tokio::test]
async fn what_the_database_refuses_rolls_the_job_back_too() {
    let app = TestApp::start().await;
    add(&app.database, URL).await;
    until_known(&app, "1").await;
    app.database
        .execute("ALTER TABLE order_items ADD CONSTRAINT no_pizza CHECK (product_id <> 7)")
        .await;

    let orders = (0..20).map(|number| {
        let product = if number % 2 == 0 { PIZZA } else { WAFFLE };
        app.place_order([(product, 1)]).send()
    });
    let statuses: Vec<u16> = join_all(orders)
        .await
        .iter()
        .map(|answer| answer.status())
        .collect();

    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        10,
        "{statuses:?}"
    );
    assert_eq!(app.order_count().await, 10);
    assert_one_job_each(&app).await;
}

#[tokio::test]
async fn an_endpoint_takes_part_as_soon_as_it_is_added_and_until_it_is_disabled() {
    // An hour between two refreshes: what is seen, is seen by the notification.
    let app = TestApp::with(|settings| settings.refresh_interval_s = 3600).await;
    let endpoint = add(&app.database, URL).await;
    until_known(&app, "1").await;

    webhooks_json(&app.database, &["disable", &endpoint.id]).await;
    until_known(&app, "0").await;
    let order: Value = app.place_order([(PIZZA, 1)]).accepted().await;

    assert!(order["id"].is_string());
    assert_eq!(app.database.value("SELECT count(*) FROM job").await, "0");
}

#[tokio::test]
async fn a_full_queue_takes_the_jobs_of_orders_all_the_same_and_counts_them() {
    let app = TestApp::with(|settings| settings.jobs.queue_capacity.critical = 1).await;
    add(&app.database, URL).await;
    until_known(&app, "1").await;

    eventually("the queue is known to be full", async || {
        app.place_order([(PIZZA, 1)]).accepted().await;
        let metrics = app.get("/metrics").await.text();
        metrics.lines().any(|line| {
            line.strip_prefix("jobs_overflow_total{priority=\"critical\"} ")
                .is_some_and(|count| count != "0")
        })
    })
    .await;

    assert_one_job_each(&app).await;
}
