//! The server is killed between click and answer: one order, and the customer sees it.

use std::time::Instant;

use crate::browser::{Browser, PATIENCE, Scripts};
use crate::relay::Relay;
use crate::shop::Shop;

const ORDER: &str = "form[data-checkout] button";

/// A visitor who is about to order a waffle.
async fn about_to_order(relay: &Relay, scripts: Scripts) -> Browser {
    let browser = Browser::start(&relay.origin(), scripts).await;
    browser.open("/").await;
    browser.click("#p1 .add").await;
    browser.shows("#cart-link", "1").await;
    browser.open("/cart").await;
    browser.find(ORDER).await;
    browser
}

/// Clicks, whatever comes of it: the browser shows an error page of its own.
async fn click(browser: &Browser) {
    let _ = browser.find(ORDER).await.click().await;
}

/// Back to the cart and once more, or to the orders where the cart is empty.
///
/// The cart is empty without the order's page: a browser that sent the request again by itself, as
/// it does when a kept connection breaks, was led away from the answer.
async fn order_again(browser: &Browser) {
    let deadline = Instant::now() + PATIENCE;
    while !browser.path().await.starts_with("/order/") {
        let shown = browser.text("body").await;
        assert!(Instant::now() < deadline, "no order: {shown}");
        browser.open("/cart").await;
        if let [button] = &browser.all(ORDER).await[..] {
            let _ = button.click().await;
            continue;
        }
        browser.open("/orders").await;
        if let [order] = &browser.all(".orders h2 a").await[..] {
            let _ = order.click().await;
        }
    }
    browser.shows("h1", "Order ").await;
    browser.shows(".receipt", "Chicken Waffle\t1").await;
}

#[tokio::test]
async fn killed_after_the_order_was_stored_and_before_its_answer_it_is_found() {
    let mut shop = Shop::open().await;
    let relay = Relay::to(shop.port()).await;
    for (done, scripts) in [Scripts::On, Scripts::Off].into_iter().enumerate() {
        let browser = about_to_order(&relay, scripts).await;
        relay.lose_answers(true);

        let crash = async {
            test_support::eventually("the order is stored", async || shop.orders().await == done + 1).await;
            shop.crash().await;
        };
        tokio::join!(click(&browser), crash);
        relay.lose_answers(false);
        shop.start().await;
        order_again(&browser).await;

        browser.open("/cart").await;
        browser.shows("main", "Your cart is empty").await;
        assert_eq!(shop.orders().await, done + 1, "{scripts:?}");
    }
}

#[tokio::test]
async fn killed_while_the_order_waits_to_be_stored_it_is_stored_once() {
    let mut shop = Shop::open().await;
    let relay = Relay::to(shop.port()).await;
    let browser = about_to_order(&relay, Scripts::On).await;
    let client = shop.database.as_superuser().client().await;
    client
        .batch_execute("BEGIN; LOCK TABLE orders IN SHARE MODE")
        .await
        .unwrap();

    let crash = async {
        const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let admin = shop.database.as_superuser();
        test_support::eventually("the order waits", async || admin.value(WAITING).await != "0").await;
        shop.crash().await;
    };
    tokio::join!(click(&browser), crash);
    client.batch_execute("COMMIT").await.unwrap();
    shop.start().await;
    order_again(&browser).await;

    assert_eq!(shop.orders().await, 1);
}
