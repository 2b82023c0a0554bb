//! From the menu to the order, as most people do it: with scripts and without.

use crate::browser::{Browser, Scripts};
use crate::shop::Shop;

#[tokio::test]
async fn a_person_searches_fills_a_cart_applies_a_coupon_and_orders_once() {
    let shop = Shop::open().await;
    for (done, scripts) in [Scripts::On, Scripts::Off].into_iter().enumerate() {
        let browser = shop.visitor(scripts).await;

        fill_a_cart(&browser).await;
        browser.shows(".totals .total dd", "$40.47").await;
        browser.click("form[data-checkout] button").await;

        browser.shows("h1", "Order ").await;
        browser.shows("main .notice", "Thank you").await;
        browser
            .shows(".receipt", "Pepperoni Pizza\t2\t$15.99\t$31.98")
            .await;
        browser.shows(".totals", "−$4.50").await;
        browser.shows(".totals .total dd", "$40.47").await;
        let order = browser.path().await;
        let stored = shop
            .database
            .rows("SELECT total, coupon_code FROM orders ORDER BY id DESC LIMIT 1")
            .await;
        assert_eq!(stored, [["40.47", "SAVE10"]], "{scripts:?}");
        assert_eq!(shop.orders().await, done + 1, "{scripts:?}");

        browser.driver().refresh().await.unwrap();
        browser.shows(".receipt", "Pepperoni Pizza").await;
        browser.open("/cart").await;
        browser.shows("main", "Your cart is empty").await;
        browser.open("/orders").await;
        browser.click(".orders h2 a").await;
        browser.shows("h1", "Order ").await;
        let again = browser.path().await;
        assert_eq!(order.split('?').next(), again.split('?').next(), "{scripts:?}");
        assert_eq!(shop.orders().await, done + 1, "{scripts:?}");
    }
}

/// Two pizzas, found by the search, and a waffle, of which a third was too many; with a coupon that
/// was mistyped first.
async fn fill_a_cart(browser: &Browser) {
    browser.open("/").await;
    browser.fill("#q", "pepperoni").await;
    browser.click(".search button").await;
    browser.shows(".filter", "1 product").await;
    browser.click("#p8 .add").await;
    browser.shows("#p8 .quantity", "1").await;
    browser.click("#p8 .add").await;
    browser.shows("#cart-link", "2").await;
    browser.click(".filter a").await;
    browser.shows("h1", "Menu").await;
    browser.click("#p1 .add").await;
    browser.shows("#cart-link", "3").await;
    browser.click("#p1 [name=add]").await;
    browser.shows("#p1 .quantity", "2").await;
    browser.click("#p1 [name=less]").await;
    browser.shows("#cart-link", "$44.97").await;
    browser.click("#cart-link").await;

    browser.shows("h1", "Your cart").await;
    browser.click("#p1 .remove button").await;
    browser.shows("main .notice", "Chicken Waffle was removed").await;
    browser.click(".undo button").await;
    browser.shows("#p1 .sum", "$12.99").await;
    browser.fill("#p8 input[name=quantity]", "3\n").await;
    browser.shows("#p8 .sum", "$47.97").await;
    browser.click("#p8 [name=less]").await;
    browser.shows("#p8 .sum", "$31.98").await;
    browser.fill("#code", "save10").await;
    browser.click(".coupon button:not([name])").await;
    browser
        .shows(".coupon .error", "Capital and small letters differ")
        .await;
    browser.fill("#code", "SAVE10").await;
    browser.click(".coupon button:not([name])").await;
    browser.shows(".totals .discount", "−$4.50").await;
}
