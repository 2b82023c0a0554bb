//! Limits by address: orders, and changes of the cart.

use crate::harness::TestApp;

#[tokio::test]
async fn orders_are_limited_and_clicks_that_store_nothing_are_not_counted() {
    let app = TestApp::open_shop_with(|settings| {
        settings.storefront.orders_per_address = 2;
        // That of the API's keys has no say here.
        settings.rate_limit.per_key = 1;
    })
    .await;
    let mut browser = app.browser();
    for _ in 0..2 {
        browser.add(1, 1).await;
        let cart = browser.get("/cart").await;
        let order = browser.order(&cart).await;
        for _ in 0..5 {
            assert_eq!(browser.order(&cart).await.order_link(), order.order_link());
        }
    }
    browser.add(1, 1).await;
    let cart = browser.get("/cart").await;

    let refused = browser.order(&cart).await;

    assert_eq!(refused.status(), 429);
    refused.expects("Too many tries");
    refused.expects("Please wait 5 minutes");
    assert_eq!(refused.answer.header("retry-after"), Some("300"));
    assert_eq!(app.order_count().await, 2);
    assert!(
        browser.get("/cart").await.says("Chicken Waffle"),
        "the cart is kept"
    );
}

#[tokio::test]
async fn changes_of_the_cart_are_limited_to_120_a_minute() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();

    let mut refused = 0;
    for _ in 0..130 {
        let answer = browser
            .submit("/cart/change", &[("add", "1"), ("from", "cart")])
            .await;
        refused += u32::from(answer.status() == 429);
    }

    // A token comes back each half second.
    assert!((1..=10).contains(&refused), "{refused}");
    assert_eq!(browser.get("/cart").await.status(), 200);
}

#[tokio::test]
async fn zero_is_no_limit() {
    let app = TestApp::open_shop_with(|settings| settings.storefront.orders_per_address = 0).await;
    let mut browser = app.browser();

    for _ in 0..12 {
        browser.add(1, 1).await;
        browser.ordered().await;
    }

    assert_eq!(app.order_count().await, 12);
}
