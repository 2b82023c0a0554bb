//! Idempotency-Keys of orders with coupons.

use futures_util::future::join_all;

use super::assert_same;
use crate::coupons::MANY_CODES;
use crate::fixtures::{PANCAKES, PIZZA};
use crate::harness::TestApp;

#[tokio::test]
async fn an_order_is_answered_the_same_again_although_it_would_be_refused_by_now() {
    let app = TestApp::start().await;
    app.promotion("SUMMER").insert().await;
    app.promotion("LASTONE").max_uses(1).insert().await;
    let requests = [
        app.place_order([(PIZZA, 2)]).idempotency_key("retired"),
        app.place_order([(PANCAKES, 2)])
            .coupon("SUMMER")
            .idempotency_key("expired"),
        app.place_order([(PANCAKES, 2)])
            .coupon("LASTONE")
            .idempotency_key("sold out"),
    ]
    .map(|order| order.request());
    let mut first = Vec::new();
    for request in &requests {
        first.push(app.send(request).await);
    }
    assert!(first.iter().all(|answer| answer.status() == 200), "{first:?}");

    app.publish(
        "UPDATE products SET available = false WHERE id = 7;
         UPDATE promotions SET ends_at = now() - interval '1 s' WHERE code = 'SUMMER'",
    )
    .await;

    for (request, first) in requests.iter().zip(&first) {
        assert_same(&app.send(request).await, first);
    }
    for (code, kind) in [("SUMMER", "coupon_expired"), ("LASTONE", "coupon_sold_out")] {
        let other = app
            .place_order([(PANCAKES, 2)])
            .coupon(code)
            .idempotency_key("another")
            .send()
            .await;
        assert_eq!(other.error(), (422, kind.into()));
    }
    assert_eq!(app.order_count().await, 3);
    assert_eq!(app.database.value("SELECT uses FROM promotion_uses").await, "1");
}

#[tokio::test]
async fn an_order_is_answered_the_same_again_although_its_code_is_not_listed_any_more() {
    let app = TestApp::start().await;
    app.publish(MANY_CODES).await;
    let order = |key| {
        app.place_order([(PIZZA, 2)])
            .coupon("M00000007")
            .idempotency_key(key)
    };
    let first = order("first").send().await;
    assert_eq!(first.status(), 200);

    app.publish("DELETE FROM coupon_codes WHERE code = 'M00000007'; INSERT INTO coupon_codes SELECT version, 'ONEMORECDE' FROM dataset_versions")
        .await;

    assert_same(&order("first").send().await, &first);
    assert_eq!(
        order("second").send().await.error(),
        (422, "coupon_unknown".into())
    );
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn a_repeated_request_burns_no_use_of_its_promotion() {
    let app = TestApp::start().await;
    app.promotion("LIMITED").max_uses(3).insert().await;
    let order = |key: &str| {
        app.place_order([(PIZZA, 2)])
            .coupon("LIMITED")
            .idempotency_key(key)
            .send()
    };

    let one = order("one").await;
    for _ in 0..5 {
        assert_same(&order("one").await, &one);
    }
    let reused = app
        .place_order([(PIZZA, 3)])
        .coupon("LIMITED")
        .idempotency_key("one")
        .send()
        .await;
    assert_eq!(reused.error(), (422, "idempotency_key_reused".into()));
    let uses = "SELECT uses FROM promotion_uses";
    assert_eq!(app.database.value(uses).await, "1");

    assert_eq!(
        (order("two").await.status(), order("three").await.status()),
        (200, 200)
    );
    assert_eq!(order("four").await.error(), (422, "coupon_sold_out".into()));
    assert_same(&order("one").await, &one);
    assert_eq!(app.database.value(uses).await, "3");
    assert_eq!(app.order_count().await, 3);
}

#[tokio::test]
async fn repeated_requests_among_new_ones_leave_no_use_unused() {
    let app = TestApp::start().await;
    app.promotion("LIMITED").max_uses(30).insert().await;
    let order = |key: usize| {
        let order = app.place_order([(PIZZA, 2)]).coupon("LIMITED");
        order.idempotency_key(&format!("key-{key}")).send()
    };
    let first = join_all((0..20).map(order)).await;
    assert!(first.iter().all(|answer| answer.status() == 200), "{first:?}");

    // In one batch with repeated requests, which take no use, ten of these find one each.
    let second = join_all((0..40).map(order)).await;

    for (again, first) in second.iter().zip(&first) {
        assert_same(again, first);
    }
    let placed = second.iter().filter(|answer| answer.status() == 200).count();
    assert_eq!(placed, 30, "{second:?}");
    assert_eq!(app.database.value("SELECT uses FROM promotion_uses").await, "30");
    assert_eq!(app.order_count().await, 30);
}
