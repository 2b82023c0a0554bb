//! More orders than the database takes.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{Gate, patient};
use crate::fixtures::PIZZA;
use crate::harness::TestApp;

#[tokio::test]
async fn orders_beyond_the_queue_are_refused_at_once_and_the_others_stored() {
    let app = TestApp::with(|settings| {
        patient(settings);
        settings.order_queue = 2;
    })
    .await;
    let gate = Gate::closed(&app.database).await;
    let mut placing: FuturesUnordered<_> = (0..40).map(|_| app.place_order([(PIZZA, 1)]).send()).collect();

    // Nothing can be stored now: at most two batches of two are in progress, and two orders wait.
    for _ in 0..34 {
        let answer = placing.next().await.unwrap();
        assert_eq!(answer.error(), (503, "unavailable".into()));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert!(app.server.metric("order_queue_length").await <= 2);
    assert!(app.server.metric("order_queue_full_total").await >= 34);
    assert_eq!(app.get("/api/product").await.status(), 200);
    gate.open().await;
    let mut stored = 0;
    while let Some(answer) = placing.next().await {
        match answer.error() {
            (200, _) => stored += 1,
            (503, kind) if kind == "unavailable" => {}
            other => panic!("{other:?}"),
        }
    }

    assert!(stored >= 2, "{stored}");
    assert_eq!(app.order_count().await, stored);
    app.place_order([(PIZZA, 1)]).accepted().await;
}

#[tokio::test]
async fn a_full_queue_of_one_promotion_leaves_the_other_orders_alone() {
    let app = TestApp::with(|settings| {
        patient(settings);
        settings.order_queue = 2;
    })
    .await;
    app.promotion("LIMITED").max_uses(1000).insert().await;
    app.place_order([(PIZZA, 1)]).coupon("LIMITED").accepted().await;
    let holder = app
        .database
        .session("BEGIN; SELECT * FROM promotion_uses FOR UPDATE")
        .await;
    let mut limited: FuturesUnordered<_> = (0..20)
        .map(|_| app.place_order([(PIZZA, 1)]).coupon("LIMITED").send())
        .collect();
    let first = limited.next().await.unwrap();

    for _ in 0..10 {
        app.place_order([(PIZZA, 1)]).accepted().await;
    }

    assert_eq!(first.error(), (503, "unavailable".into()));
    holder.batch_execute("ROLLBACK").await.unwrap();
    let mut stored = 11;
    while let Some(answer) = limited.next().await {
        match answer.error() {
            (200, _) => stored += 1,
            (503, kind) if kind == "unavailable" => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(app.order_count().await, stored);
}
