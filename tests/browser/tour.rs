//! Every page of the shop in every state that a visitor can bring about.

use crate::browser::Browser;
use crate::shop::Shop;

/// Opens one page after the other; `look` is told the name of each.
pub(crate) async fn tour(shop: &Shop, browser: &Browser, mut look: impl AsyncFnMut(&str)) {
    browser.driver().delete_all_cookies().await.expect("cookies");
    browser.open("/orders").await;
    look("orders-empty").await;
    browser.open("/").await;
    look("menu").await;
    browser.open("/cart").await;
    look("cart-empty").await;
    browser.open("/?q=nothing+of+this").await;
    look("menu-nothing-found").await;
    browser.open("/nowhere").await;
    look("not-found").await;

    browser.open("/?category=Pizza").await;
    look("menu-category").await;
    for product in ["#p7 .add", "#p7 [name=add]", "#p8 .add"] {
        browser.click(product).await;
    }
    browser.shows("#cart-link", "3").await;
    browser.open("/").await;
    for product in ["#p1 .add", "#p3 .add", "#p10 .add"] {
        browser.click(product).await;
    }
    browser.shows("#cart-link", "6").await;
    look("menu-with-cart").await;

    browser.open("/cart").await;
    browser.click("#p10 .remove button").await;
    browser.shows("main .notice", "Veggie Burger was removed").await;
    look("cart-removed").await;
    browser.fill("#code", "SAVE11").await;
    browser.click(".coupon button:not([name])").await;
    browser.find(".coupon .error").await;
    look("cart-coupon-refused").await;
    browser.fill("#code", "SAVE10").await;
    browser.click(".coupon button:not([name])").await;
    browser.find(".totals .discount").await;
    look("cart-coupon").await;

    // As if the page were from before prices rose.
    let cheaper = "document.querySelector('[name=expected_total]').value = '1.00'";
    browser.evaluate(cheaper, vec![]).await;
    browser.click("form[data-checkout] button").await;
    browser.shows(".changed", "now, not $1.00").await;
    look("cart-changed").await;

    browser.click("form[data-checkout] button").await;
    browser.shows("main .notice", "Thank you").await;
    look("order").await;
    let order = browser.path().await;
    shop.kitchen(&order, r#"{"status":"accepted","readyInMinutes":20}"#)
        .await;
    browser.shows("#status h2", "is accepted").await;
    look("order-accepted").await;
    shop.kitchen(&order, r#"{"status":"preparing"}"#).await;
    shop.kitchen(&order, r#"{"status":"ready"}"#).await;
    browser.shows("#status h2", "please pick it up").await;
    look("order-ready").await;
    shop.kitchen(&order, r#"{"status":"cancelled","reason":"not_collected"}"#)
        .await;
    browser.shows("#status h2", "was cancelled").await;
    look("order-cancelled").await;
    browser.open("/orders").await;
    look("orders").await;
    browser.click(".orders form button").await;
    browser.shows("h1", "Your cart").await;
    look("cart-again").await;
}
