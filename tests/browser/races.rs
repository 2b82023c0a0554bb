//! Fast fingers, two tabs, and the Back button.

use serde_json::{Value, json};

use crate::browser::Scripts;
use crate::shop::Shop;

/// Conditions of the network for the DevTools protocol.
fn network(offline: bool, latency_ms: u32) -> Value {
    json!({ "offline": offline, "latency": latency_ms, "downloadThroughput": -1, "uploadThroughput": -1 })
}

#[tokio::test]
async fn ten_fast_clicks_are_ten_units() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;

    let click = "for (let i = 0; i < 10; i++) document.querySelector(arguments[0]).click()";
    browser.evaluate(click, vec![json!("#p1 .add")]).await;
    browser.evaluate(click, vec![json!("#p7 .add")]).await;
    browser
        .evaluate("document.getElementById('cart-link').click()", vec![])
        .await;

    browser.shows("#p1 .sum", "$129.90").await;
    browser.shows("#p7 .sum", "$139.90").await;
    browser.shows("#cart-link", "20").await;
}

#[tokio::test]
async fn a_double_click_on_add_takes_nothing_away() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    let place = "
        const button = document.querySelector('#p1 .add');
        button.scrollIntoView({ block: 'center' });
        const { left, top, height } = button.getBoundingClientRect();
        return [left + 10, top + height / 2]";
    let place = browser.evaluate(place, vec![]).await;

    for count in [1, 2] {
        for part in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": part, "x": place[0], "y": place[1], "button": "left", "clickCount": count
            });
            browser.devtools("Input.dispatchMouseEvent", event).await;
        }
        // There, the button "less" has come.
        browser.find("#p1 [name=less]").await;
    }

    browser.click("#p1 [name=add]").await;
    browser.shows("#p1 .quantity", "2").await;
    browser.click("#p1 [name=less]").await;
    browser.shows("#p1 .quantity", "1").await;
    browser.shows("#cart-link", "$12.99").await;
}

#[tokio::test]
async fn two_tabs_that_change_the_cart_at_once_lose_nothing() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    let driver = browser.driver();
    let tabs = [driver.window().await.unwrap(), driver.new_tab().await.unwrap()];
    for tab in &tabs {
        driver.switch_to_window(tab.clone()).await.unwrap();
        browser.open("/").await;
        browser.devtools("Network.enable", json!({})).await;
        browser
            .devtools("Network.emulateNetworkConditions", network(false, 300))
            .await;
    }

    let click = "for (let i = 0; i < 10; i++) document.querySelector(arguments[0]).click()";
    for (tab, button) in tabs.iter().zip(["#p1 .add", "#p2 .add"]) {
        driver.switch_to_window(tab.clone()).await.unwrap();
        browser.evaluate(click, vec![json!(button)]).await;
    }
    for tab in &tabs {
        driver.switch_to_window(tab.clone()).await.unwrap();
        browser.click("#cart-link").await;
        browser.shows("h1", "Your cart").await;
    }

    browser.shows("#p1 .sum", "$129.90").await;
    browser.shows("#p2 .sum", "$109.90").await;
}

#[tokio::test]
async fn two_clicks_on_the_order_button_are_one_order() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    browser.click("#p1 .add").await;
    browser.click("#cart-link").await;

    browser.find("form[data-checkout] button").await;
    let twice = "const b = document.querySelector('form[data-checkout] button'); b.click(); b.click()";
    browser.evaluate(twice, vec![]).await;

    browser.shows("h1", "Order ").await;
    assert_eq!(shop.orders().await, 1);
}

#[tokio::test]
async fn back_after_ordering_shows_an_empty_cart_and_orders_nothing_again() {
    let shop = Shop::open().await;
    for (done, scripts) in [Scripts::On, Scripts::Off].into_iter().enumerate() {
        let browser = shop.visitor(scripts).await;
        browser.open("/").await;
        browser.click("#p1 .add").await;
        browser.click("#cart-link").await;
        browser.click("form[data-checkout] button").await;
        browser.shows("h1", "Order ").await;

        browser.driver().back().await.unwrap();
        if scripts == Scripts::Off {
            // A page kept in memory is as it was; sent again, it leads to the same order.
            let buttons = browser.all("form[data-checkout] button").await;
            if let [button] = &buttons[..] {
                button.click().await.unwrap();
                browser.shows("main .notice", "already ordered").await;
            }
        } else {
            browser.shows("main", "Your cart is empty").await;
        }

        assert_eq!(shop.orders().await, done + 1, "{scripts:?}");
    }
}

#[tokio::test]
async fn without_a_connection_nothing_pretends_to_be_in_the_cart() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    browser.click("#p1 .add").await;
    browser.shows("#cart-link", "$12.99").await;
    browser.devtools("Network.enable", json!({})).await;
    browser
        .devtools("Network.emulateNetworkConditions", network(true, 0))
        .await;

    browser.click("#p1 .add").await;

    browser.shows("#trouble", "no connection").await;
    browser.shows("#p1 .quantity", "1").await;
    browser
        .devtools("Network.emulateNetworkConditions", network(false, 0))
        .await;
    browser.click("#p1 .add").await;
    browser.shows("#p1 .quantity", "2").await;
    browser.shows("#cart-link", "$25.98").await;
    assert_eq!(browser.text("#trouble").await, "");
}
