//! An order that the database refuses, among others that it takes.

use futures_util::future::join_all;

use super::{Gate, patient, until_in_progress};
use crate::fixtures::{PANCAKES, PIZZA, WAFFLE};
use crate::harness::TestApp;

#[tokio::test]
async fn of_a_batch_only_the_orders_that_the_database_refuses_fail() {
    let app = TestApp::with(patient).await;
    app.promotion("LIMITED").max_uses(1000).insert().await;
    app.database
        .execute("ALTER TABLE order_items ADD CONSTRAINT no_waffles CHECK (product_name <> 'Chicken Waffle')")
        .await;
    let gate = Gate::closed(&app.database).await;
    // Half of them with a limited promotion, which are batches of their own, a quarter with an
    // Idempotency-Key.
    let order = |n: usize| {
        let product = if n % 20 == 7 {
            WAFFLE
        } else {
            [PIZZA, PANCAKES][n % 2]
        };
        let order = app.place_order([(product, 2)]);
        let order = if n.is_multiple_of(2) {
            order.coupon("LIMITED")
        } else {
            order
        };
        match n % 4 {
            3 => order.idempotency_key(&format!("key-{n}")),
            _ => order,
        }
    };
    let placing = join_all((0..80).map(|n| order(n).send()));
    let opening = async {
        until_in_progress(&app, 80).await;
        gate.open().await;
    };

    let (answers, ()) = tokio::join!(placing, opening);

    for (n, answer) in answers.iter().enumerate() {
        let expected = if n % 20 == 7 {
            (500, "internal".into())
        } else {
            (200, String::new())
        };
        assert_eq!(
            (answer.status(), answer.member("type")),
            expected,
            "{n}: {answer:?}"
        );
    }
    assert_eq!(app.order_count().await, 76);
    assert_eq!(app.database.value("SELECT count(*) FROM order_items").await, "76");
    assert_eq!(app.database.value("SELECT uses FROM promotion_uses").await, "40");
    let keys = "SELECT count(*) FROM idempotency_keys JOIN orders ON id = order_id";
    assert_eq!(app.database.value(keys).await, "16");
    assert_eq!(
        app.database.value("SELECT count(*) FROM idempotency_keys").await,
        "16"
    );
    assert!(app.server.metric("order_batch_splits_total").await > 0);
    // What was refused is neither stored nor remembered.
    app.database
        .execute("ALTER TABLE order_items DROP CONSTRAINT no_waffles")
        .await;
    assert_eq!(order(7).send().await.status(), 200);
    assert_eq!(app.order_count().await, 77);
}

#[tokio::test]
async fn an_order_that_is_refused_alone_with_a_limited_promotion_burns_no_use() {
    let app = TestApp::start().await;
    app.promotion("LASTONE").max_uses(1).insert().await;
    app.database
        .execute("ALTER TABLE order_items ADD CONSTRAINT no_waffles CHECK (product_name <> 'Chicken Waffle')")
        .await;

    let refused = app.place_order([(WAFFLE, 1)]).coupon("LASTONE").send().await;
    let taken = app.place_order([(PIZZA, 1)]).coupon("LASTONE").send().await;

    assert_eq!(refused.error(), (500, "internal".into()));
    assert_eq!(taken.status(), 200);
    assert_eq!(app.database.value("SELECT uses FROM promotion_uses").await, "1");
    assert_eq!(app.order_count().await, 1);
}
