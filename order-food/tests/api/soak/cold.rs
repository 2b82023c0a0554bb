//! A database that was just migrated and analyzed: nothing is stored, and the statistics say so.

use futures_util::future::join_all;
use test_support::{eventually, scaled};

use crate::fixtures::{self, PIZZA};
use crate::harness::TestApp;

#[tokio::test]
async fn orders_into_analyzed_empty_tables_are_stored_without_sequential_scans() {
    let database = fixtures::database().await;
    database
        .execute("INSERT INTO promotions (code, kind, value, max_uses) VALUES ('LIMITED', 'percentage', 10, 1000000)")
        .await;
    database.execute("VACUUM ANALYZE").await;
    let app = TestApp::ready_over(database, |settings| settings.idempotency_sweep_s = 86_400).await;
    let scans = "SELECT relname, coalesce(seq_scan, 0) FROM pg_stat_user_tables
                 WHERE relname ~ '^(orders|order_items|promotion_uses|idempotency_keys)' ORDER BY 1";
    let before = app.database.rows(scans).await;
    let order = |n: usize| {
        let order = app.place_order([(PIZZA, 1)]);
        match n % 3 {
            0 => order,
            1 => order.coupon("LIMITED"),
            _ => order.idempotency_key(&format!("key-{n}")),
        }
    };

    let orders = scaled(5_000);
    for some in (0..orders).collect::<Vec<_>>().chunks(50) {
        let answers = join_all(some.iter().map(|n| order(*n).send())).await;
        assert!(answers.iter().all(|answer| answer.status() == 200), "{answers:?}");
    }

    // The sessions report what they did with a delay.
    let reported = "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname ~ '^orders'";
    let mut last = 0;
    eventually("the scans are reported", async || {
        order(last).send().await;
        last += 1;
        app.database.value(reported).await.parse::<usize>().unwrap() >= orders
    })
    .await;
    for (before, after) in before.iter().zip(app.database.rows(scans).await) {
        let count = |row: &[String]| row[1].parse::<usize>().unwrap();
        // The sweeper of expired keys looks once, in a session of its own.
        let most = usize::from(after[0] == "idempotency_keys");
        assert!(count(&after) <= count(before) + most, "{before:?} {after:?}");
    }
}
