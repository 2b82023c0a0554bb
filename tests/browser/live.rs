//! The state of an order, as it changes before the customer's eyes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::{Browser, Scripts};
use crate::shop::Shop;

/// Orders a waffle; the address of the order's page.
pub(crate) async fn order(browser: &Browser) -> String {
    browser.open("/").await;
    browser.click("#p1 .add").await;
    browser.shows("#cart-link", "1").await;
    browser.open("/cart").await;
    browser.click("form[data-checkout] button").await;
    browser.shows("h1", "Order ").await;
    browser.path().await
}

#[tokio::test]
async fn the_page_follows_the_kitchen_within_a_second() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    let order = order(&browser).await;
    browser.shows("#status h2", "We have your order").await;
    browser
        .evaluate("document.querySelector('.keep a').focus()", vec![])
        .await;

    let mut took = Vec::new();
    for (body, sentence, step) in [
        (
            r#"{"status":"accepted","readyInMinutes":20}"#,
            "is accepted",
            "Accepted",
        ),
        (r#"{"status":"preparing"}"#, "is being prepared", "In preparation"),
        (r#"{"status":"ready"}"#, "please pick it up", "Ready"),
    ] {
        shop.kitchen(&order, body).await;
        let since = Instant::now();
        browser.shows("#status h2", sentence).await;
        took.push(since.elapsed());
        assert!(browser.text(".steps .present").await.starts_with(step), "{step}");
    }
    // The fastest: other programs have the processor, too. Read again by the clock, every 15 s, all
    // but the first would be late.
    let fastest = took[1..].iter().min().unwrap();
    assert!(*fastest < Duration::from_secs(1), "{took:?}");
    let focused = "return document.activeElement.matches('.keep a')";
    assert_eq!(browser.evaluate(focused, vec![]).await, true);
    shop.kitchen(&order, r#"{"status":"picked_up"}"#).await;
    browser.shows("#status h2", "Enjoy!").await;
    browser.lacks("#status[data-events]").await;
    assert_eq!(browser.console().await, [""; 0]);
}

#[tokio::test]
async fn without_scripts_the_page_comes_back_by_itself() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::Off).await;
    let order = order(&browser).await;

    shop.kitchen(&order, r#"{"status":"accepted","readyInMinutes":20}"#)
        .await;

    // It is fetched again every 15 s.
    browser.shows("#status h2", "is accepted").await;
    browser.shows(".ready-at", "Ready at about").await;
}

#[tokio::test]
async fn what_was_shown_is_never_replaced_by_what_was_before_it() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    order(&browser).await;
    let later = "document.getElementById('status').dataset.version = 9";
    browser.evaluate(later, vec![]).await;

    let reread = "
        const done = arguments[0];
        document.dispatchEvent(new CustomEvent('shop:stale', { detail: '#status' }));
        document.addEventListener('shop:shown', () => done(document.getElementById('status').dataset.version))";
    let shown = browser.driver().execute_async(reread, vec![]).await.unwrap();

    assert_eq!(*shown.json(), json!("9"));
}

#[tokio::test]
async fn a_shop_that_was_cut_off_says_so_and_misses_no_state() {
    let mut shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    let order = order(&browser).await;
    browser.shows("#status h2", "We have your order").await;
    shop.streams_are("1").await;

    shop.crash().await;

    browser.shows("#lost", "The connection is cut off").await;
    browser.shows("#status h2", "We have your order").await;
    shop.start().await;
    shop.kitchen(&order, r#"{"status":"accepted"}"#).await;
    shop.kitchen(&order, r#"{"status":"preparing"}"#).await;
    browser.shows("#status h2", "is being prepared").await;
    browser.shows(".steps .done:nth-child(2)", "Accepted").await;
    browser
        .holds("return document.getElementById('lost').hidden")
        .await;
}

#[tokio::test]
async fn eight_tabs_with_orders_leave_the_shop_usable_and_left_pages_end_their_streams() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    let driver = browser.driver();
    let order = order(&browser).await;
    let first = driver.window().await.unwrap();
    for _ in 1..8 {
        let tab = driver.new_tab().await.unwrap();
        driver.switch_to_window(tab).await.unwrap();
        browser.open(&order).await;
        browser.shows("#status h2", "We have your order").await;
    }

    // Browsers have six connections to a server: with streams on all, this page would not load.
    let tab = driver.new_tab().await.unwrap();
    driver.switch_to_window(tab).await.unwrap();
    browser.open("/").await;
    browser.click("#p1 .add").await;
    browser.shows("#p1 .quantity", "1").await;

    // The first tab, seen again, shows what happened meanwhile.
    shop.kitchen(&order, r#"{"status":"accepted"}"#).await;
    driver.switch_to_window(first).await.unwrap();
    browser.shows("#status h2", "is accepted").await;

    // A page that is left holds no connection.
    for tab in driver.windows().await.unwrap() {
        driver.switch_to_window(tab).await.unwrap();
        browser.open("/orders").await;
    }
    shop.streams_are("0").await;
}

#[tokio::test]
async fn the_browser_that_ordered_cancels_and_hears_when_it_is_too_late() {
    let shop = Shop::open().await;
    for scripts in [Scripts::On, Scripts::Off] {
        let browser = shop.visitor(scripts).await;
        order(&browser).await;
        browser.click(".cancel button").await;
        browser.shows("#status h2", "Your order was cancelled").await;
        browser.lacks(".cancel").await;

        let late = order(&browser).await;
        browser.find(".cancel button").await;
        let alone = "document.getElementById('status').dataset.version = 9";
        browser.evaluate(alone, vec![]).await;
        shop.kitchen(&late, r#"{"status":"accepted"}"#).await;
        browser.click(".cancel button").await;
        browser
            .shows("main .notice", "can no longer be cancelled here")
            .await;
        browser.shows("#status h2", "is accepted").await;
    }
}
