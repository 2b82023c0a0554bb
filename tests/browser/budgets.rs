//! What a first visit may weigh: bytes on the wire and requests, with an empty cache.

use serde_json::{Value, json};

use crate::browser::Scripts;
use crate::shop::Shop;

/// Name, bytes on the wire with headers, bytes of the body as sent: the page, then what it loads.
const LOADED: &str = "
    return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .map(entry => [entry.name, entry.transferSize, entry.encodedBodySize])";

/// Whether all that the page shows is loaded: its pictures come last.
const WHOLE: &str =
    "return performance.getEntriesByType('resource').some(entry => entry.name.includes('/food.'))";

#[tokio::test]
async fn a_first_visit_is_light() {
    for (shop, most) in [(Shop::open().await, 30_000), (Shop::large().await, 40_000)] {
        let browser = shop.visitor(Scripts::On).await;
        browser.open("/").await;
        browser.holds(WHOLE).await;

        let loaded = browser.evaluate(LOADED, vec![]).await;

        let loaded: Vec<(String, u64, u64)> = serde_json::from_value(loaded).unwrap();
        let sum: u64 = loaded.iter().map(|(_, wire, _)| wire).sum();
        println!("{sum} bytes: {loaded:#?}");
        assert!(
            loaded
                .iter()
                .all(|(name, wire, _)| name.starts_with(&shop.origin()) && *wire > 0),
            "{loaded:?}"
        );
        assert!(loaded.len() <= 6 && sum <= most, "{sum} bytes in {loaded:?}");
        let of = |ending: &str| -> u64 {
            loaded
                .iter()
                .filter(|(name, ..)| name.ends_with(ending))
                .map(|(_, _, body)| body)
                .sum()
        };
        assert!((1..=6_000).contains(&of(".css")), "{loaded:?}");
        assert!((1..=6_000).contains(&of(".js")), "{loaded:?}");
    }
}

#[tokio::test]
async fn pages_of_a_customer_are_as_light_from_their_link_alone() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    for product in ["#p1 .add", "#p7 .add"] {
        browser.open("/").await;
        browser.click(product).await;
        browser.find(&product.replace(".add", "[name=less]")).await;
    }
    browser.open("/cart").await;
    browser.click("form[data-checkout] button").await;
    browser.shows("h1", "Order ").await;
    let order = browser.path().await;
    browser.open("/").await;
    browser.click("#p3 .add").await;
    browser.shows("#cart-link", "1").await;

    for path in ["/", "/cart", "/orders", &order, "/nowhere"] {
        browser.devtools("Network.clearBrowserCache", json!({})).await;
        browser.open(path).await;
        browser.find("#cart-link").await;

        let loaded = browser.evaluate(LOADED, vec![]).await;

        let loaded: Vec<(String, u64, u64)> = serde_json::from_value(loaded).unwrap();
        let sum: u64 = loaded.iter().map(|(_, wire, _)| wire).sum();
        // The page, its style and its script at least, and nothing of it from the cache.
        assert!(
            loaded.len() >= 3 && loaded.iter().all(|(_, wire, _)| *wire > 0),
            "{path}: {loaded:?}"
        );
        // An order is followed, by one script more.
        let most = if *path == *order { 7 } else { 6 };
        assert!(
            loaded.len() <= most && sum <= 30_000,
            "{path}: {sum} bytes in {loaded:?}"
        );
    }
}

#[tokio::test]
async fn a_second_visit_loads_the_page_alone() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    browser.holds(WHOLE).await;

    browser.open("/?q=pizza").await;
    browser.holds(WHOLE).await;

    let loaded = browser.evaluate(LOADED, vec![]).await;
    let wire: Vec<&Value> = loaded.as_array().unwrap().iter().map(|entry| &entry[1]).collect();
    assert!(wire[0].as_u64().unwrap() > 0, "{loaded}");
    assert!(wire[1..].iter().all(|bytes| **bytes == 0), "{loaded}");
}
