//! WCAG 2.2 AA as far as a program can tell, on every page; and what a program can measure besides.

use std::path::Path;

use serde_json::{Value, json};

use crate::browser::{Browser, Scripts};
use crate::shop::Shop;
use crate::tour::tour;

const AXE: &str = include_str!("axe-core/axe.min.js");

/// Violations, and what axe could not decide, each with its element.
const RUN: &str = "
    const done = arguments[0];
    scrollTo(0, 0);
    axe.run(document, { resultTypes: ['violations', 'incomplete'] }).then(found => done(
        [...found.violations, ...found.incomplete].flatMap(rule => rule.nodes.map(node =>
            `${rule.id}: ${node.html.slice(0, 200)} ${[...node.any, ...node.all].map(check => check.message)}`))));";

/// Elements that reach out of the screen; and controls smaller than a finger, unless they are
/// part of a sentence.
const MEASURE: &str = "
    const root = document.documentElement;
    const wide = root.scrollWidth > root.clientWidth ? [`scrolls sideways: ${root.scrollWidth}`] : [];
    const small = [...document.querySelectorAll('a, button, input:not([type=hidden])')].filter(element => {
        const { width, height } = element.getBoundingClientRect();
        const isSeen = element.checkVisibility() && !element.matches('.skip:not(:focus)');
        const isInText = element.matches('p a, td a, dd a') || element.closest('label');
        return isSeen && !isInText && (width < 44 || height < 44);
    });
    return [...wide, ...small.map(element => `too small: ${element.outerHTML.slice(0, 200)}`)];";

/// Where screenshots go.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/storefront");

/// Looks at every page at these widths and takes its picture into a folder: how many looks, and
/// the problems that were found.
pub(crate) async fn grid(widths: &[u32], dark: bool, pictures: &Path) -> (usize, Vec<String>) {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    let (mut looks, mut found) = (0, Vec::new());
    std::fs::create_dir_all(pictures).unwrap();
    for width in widths {
        browser.screen(*width, 900, dark).await;
        tour(&shop, &browser, async |page| {
            let place = format!("{page} {width} {}", if dark { "dark" } else { "light" });
            for problem in check(&browser).await {
                found.push(format!("{place}: {problem}"));
            }
            let name = format!("{}.png", place.replace(' ', "-"));
            picture(&browser, &pictures.join(name)).await;
            looks += 1;
        })
        .await;
    }
    (looks, found)
}

/// What is wrong with the page that is shown.
pub(crate) async fn check(browser: &Browser) -> Vec<String> {
    browser
        .devtools("Runtime.evaluate", json!({ "expression": AXE }))
        .await;
    let axe = browser.driver().execute_async(RUN, vec![]).await.unwrap();
    let axe: Vec<String> = axe.convert().unwrap();
    let measured: Vec<String> = serde_json::from_value(browser.evaluate(MEASURE, vec![]).await).unwrap();
    let mut console = browser.console().await;
    // The page of an error is one.
    console.retain(|message| !message.contains("404"));
    [axe, measured, console].concat()
}

/// Takes a picture of the whole page.
pub(crate) async fn picture(browser: &Browser, file: &Path) {
    let whole = json!({ "captureBeyondViewport": true });
    let shot = browser.devtools("Page.captureScreenshot", whole).await;
    std::fs::write(file, base64(&shot["data"])).unwrap();
}

pub(crate) fn base64(text: &Value) -> Vec<u8> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap());
    decoded.unwrap()
}

async fn is_accessible(dark: bool) {
    let (_, found) = grid(&[320, 1440], dark, Path::new(PICTURES)).await;
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn every_page_is_accessible_by_day() {
    is_accessible(false).await;
}

#[tokio::test]
async fn every_page_is_accessible_by_night() {
    is_accessible(true).await;
}
