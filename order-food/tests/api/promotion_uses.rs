//! Promotions that may be used so many times.

use crate::fixtures::PIZZA;
use crate::harness::TestApp;

#[tokio::test]
async fn a_limit_of_one_is_passed_by_one_of_two() {
    let app = TestApp::start().await;
    app.promotion("JUSTONE").max_uses(1).insert().await;
    let order = || app.place_order([(PIZZA, 2)]).coupon("JUSTONE").send();

    let (one, other) = tokio::join!(order(), order());

    let mut statuses = [one.status(), other.status()];
    statuses.sort();
    assert_eq!(statuses, [200, 422]);
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn a_limit_of_zero_lets_no_order_pass() {
    let app = TestApp::start().await;
    app.promotion("NEVEREVER").max_uses(0).insert().await;

    app.rejects(
        app.place_order([(PIZZA, 2)]).coupon("NEVEREVER"),
        "coupon_sold_out",
    )
    .await;
}

#[tokio::test]
async fn a_refused_order_burns_no_use() {
    let app = TestApp::start().await;
    app.promotion("TWOLEFT").max_uses(2).min_items(2).insert().await;

    for lines in [vec![(PIZZA, 1)], vec![(PIZZA, 2), (42, 1)], vec![(PIZZA, 5000)]] {
        let answer = app.place_order(lines).coupon("TWOLEFT").send().await;
        assert_eq!(answer.status(), 422);
    }
    let order = || app.place_order([(PIZZA, 2)]).coupon("TWOLEFT").send();

    assert_eq!(order().await.status(), 200);
    assert_eq!(order().await.status(), 200);
    assert_eq!(order().await.status(), 422);
    assert_eq!(order().await.status(), 422);
    assert_eq!(uses(&app, "TWOLEFT").await, "2");
    assert_eq!(app.order_count().await, 2);
}

#[tokio::test]
async fn a_raised_limit_goes_on_where_the_old_one_ended() {
    let app = TestApp::start().await;
    app.promotion("RAISED").max_uses(1).insert().await;
    let order = || app.place_order([(PIZZA, 2)]).coupon("RAISED").send();
    assert_eq!(order().await.status(), 200);
    assert_eq!(order().await.status(), 422);

    app.publish("UPDATE promotions SET max_uses = 2 WHERE code = 'RAISED'")
        .await;

    assert_eq!(order().await.status(), 200);
    assert_eq!(order().await.status(), 422);
    assert_eq!(uses(&app, "RAISED").await, "2");
}

#[tokio::test]
async fn unlimited_promotions_are_not_counted() {
    let app = TestApp::start().await;

    app.place_order([(PIZZA, 2)]).coupon("SAVE10").accepted().await;

    assert_eq!(
        app.database.value("SELECT count(*) FROM promotion_uses").await,
        "0"
    );
}

async fn uses(app: &TestApp, code: &str) -> String {
    app.database
        .value(&format!("SELECT uses FROM promotion_uses WHERE code = '{code}'"))
        .await
}
