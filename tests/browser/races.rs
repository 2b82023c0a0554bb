//! Fast fingers, two tabs, and the Back button.

use serde_json::json;

use crate::browser::Scripts;
use crate::shop::Shop;

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
async fn two_tabs_that_change_the_cart_at_once_lose_nothing() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    // Frames of the own origin are refused, too: a window it is.
    let both = "
        const done = arguments[0];
        const other = window.open('/');
        other.addEventListener('load', () => {
            for (let i = 0; i < 10; i++) {
                document.querySelector('#p1 .add').click();
                other.document.querySelector('#p2 .add').click();
            }
            done();
        });";
    browser.driver().execute_async(both, vec![]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;

    browser.open("/cart").await;

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
                browser.shows(".notice", "already ordered").await;
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
    let offline =
        |is: bool| json!({ "offline": is, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser.devtools("Network.enable", json!({})).await;
    browser
        .devtools("Network.emulateNetworkConditions", offline(true))
        .await;

    browser.click("#p1 .add").await;

    browser.shows("#trouble", "no connection").await;
    browser.shows("#p1 .quantity", "1").await;
    browser
        .devtools("Network.emulateNetworkConditions", offline(false))
        .await;
    browser.click("#p1 .add").await;
    browser.shows("#p1 .quantity", "2").await;
    browser.shows("#cart-link", "$25.98").await;
    assert_eq!(browser.text("#trouble").await, "");
}
