//! Names of products are text, whatever stands in them.

use serde_json::json;

use crate::browser::Scripts;
use crate::shop::Shop;

pub(crate) const NAMES: [&str; 6] = [
    "<script>attacked=1</script>",
    "\" onload=\"attacked=1\" x=\"",
    "</style></title><img src=x onerror=attacked=1>",
    "{{ 7*7 }} &lt;b&gt; ' -->",
    "\u{202e}\u{627}\u{644}\u{641}\u{644}\u{641}\u{644} \u{1f32f}",
    "javascript:attacked=1//",
];

#[tokio::test]
async fn products_named_like_markup_are_shown_as_text_on_every_page() {
    let line = |(index, name): (usize, &&str)| {
        format!(
            "{},\"{}\",5.00,\"{}\",\n",
            index + 1,
            name.replace('"', "\"\""),
            name.replace('"', "\"\"")
        )
    };
    let products: String = NAMES.iter().enumerate().map(line).collect();
    let shop = Shop::selling(&products).await;
    let browser = shop.visitor(Scripts::On).await;
    let name_of = "return document.querySelector(arguments[0])?.textContent ?? null";
    let nothing_ran = async || {
        assert!(browser.evaluate("return typeof attacked", vec![]).await == "undefined");
        assert!(
            browser
                .all("main script, main style, main img, [onload], [onerror]")
                .await
                .is_empty()
        );
        assert_eq!(browser.console().await, [""; 0]);
    };

    browser.open("/").await;
    for (index, name) in NAMES.iter().enumerate() {
        let product = index + 1;
        let heading = browser
            .evaluate(name_of, vec![json!(format!("#p{product} h3"))])
            .await;
        assert_eq!(heading, *name);
        browser.click(&format!("#p{product} .add")).await;
        browser
            .shows("#cart-link", &format!("${product}", product = product * 5))
            .await;
    }
    nothing_ran().await;

    browser.click("#cart-link").await;
    for (index, name) in NAMES.iter().enumerate() {
        let selector = format!("#p{} .name", index + 1);
        assert_eq!(browser.evaluate(name_of, vec![json!(selector)]).await, *name);
    }
    browser.click("#p1 .remove button").await;
    browser.shows("main .notice", NAMES[0]).await;
    browser.click(".undo button").await;
    browser.lacks(".undo").await;
    nothing_ran().await;

    browser.click("form[data-checkout] button").await;
    browser.shows("h1", "Order ").await;
    for (index, name) in NAMES.iter().enumerate() {
        let selector = format!(".receipt tbody tr:nth-child({}) th", index + 1);
        let shown = browser.evaluate(name_of, vec![json!(selector)]).await;
        assert!(NAMES.contains(&shown.as_str().unwrap()), "{shown} {name}");
    }
    nothing_ran().await;
    browser.open("/orders").await;
    nothing_ran().await;
    browser
        .open("/?q=%3Cscript%3Eattacked%3D1%3C/script%3E%22%3E")
        .await;
    nothing_ran().await;
}
