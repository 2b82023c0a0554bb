//! Pages as people make them: at 400 % zoom, with spaced text, in forced colors, on paper.

use serde_json::{Value, json};

use crate::browser::{Browser, Scripts};
use crate::shop::Shop;
use crate::tour::tour;

/// WCAG 1.4.10: 1280 × 1024 at 400 %, in CSS pixels.
const ZOOMED: (u32, u32) = (320, 256);

/// WCAG 1.4.12, on everything.
const SPACED: &str = "* {
    line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
    p { margin-block-end: 2em !important }";

/// Adds a style sheet, or takes it back.
const STYLE: &str = "
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(arguments[0]);
    document.adoptedStyleSheets = arguments[0] ? [sheet] : [];";

/// Elements that reach out of the screen, or hold text that is cut off.
const CUT: &str = "
    const root = document.documentElement;
    const wide = root.scrollWidth > root.clientWidth ? [`scrolls sideways: ${root.scrollWidth}`] : [];
    const cut = [...document.body.querySelectorAll('*')].filter(element => {
        const { overflowX, overflowY } = getComputedStyle(element);
        const hides = [overflowX, overflowY].some(overflow => ['hidden', 'clip'].includes(overflow));
        const isLarger = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
        const isText = !element.closest('svg, .hidden, .skip, .receipt thead') && element.innerText !== '' && element.tagName !== 'INPUT';
        return isText && hides && isLarger && element.checkVisibility();
    });
    const spilled = [...document.querySelectorAll('button, .button, .jump a')].filter(element =>
        element.checkVisibility() && element.scrollWidth > element.clientWidth + 1);
    return [...wide, ...[...cut, ...spilled].map(element => `cut off: ${element.outerHTML.slice(0, 200)}`)];";

/// What fixed and sticky parts cover of a screen, at most half.
const COVERED: &str = "
    const fixed = [...document.body.querySelectorAll('*')].filter(element =>
        ['fixed', 'sticky'].includes(getComputedStyle(element).position) && element.checkVisibility() && !element.matches('.skip'));
    return fixed.reduce((sum, element) => sum + element.offsetHeight, 0) <= innerHeight / 2;";

/// Controls without a border of their own, and links that look like text.
const FLAT: &str = "
    const isSeen = element => element.checkVisibility() && !element.matches('.skip');
    const buttons = [...document.querySelectorAll('button, input:not([type=hidden]), .button')].filter(isSeen);
    const flat = buttons.filter(element => {
        const { borderTopWidth, borderTopColor, textDecorationLine } = getComputedStyle(element);
        const isBordered = borderTopWidth !== '0px' && borderTopColor !== 'rgba(0, 0, 0, 0)';
        return !isBordered && !textDecorationLine.includes('underline');
    });
    return flat.map(element => `flat: ${element.outerHTML.slice(0, 200)}`);";

async fn problems(browser: &Browser, script: &str) -> Vec<String> {
    serde_json::from_value(browser.evaluate(script, vec![]).await).unwrap()
}

#[tokio::test]
async fn pages_keep_everything_at_400_percent_with_spaced_text_and_in_forced_colors() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    let (width, height) = ZOOMED;
    let mut found = Vec::new();

    tour(&shop, &browser, async |page| {
        let mut note = |state: &str, problems: Vec<String>| {
            found.extend(
                problems
                    .into_iter()
                    .map(|problem| format!("{page} {state}: {problem}")),
            );
        };
        browser.screen(width, height, false).await;
        note("zoomed", problems(&browser, CUT).await);
        let is_free = browser.evaluate(COVERED, vec![]).await == true;
        note(
            "zoomed",
            (!is_free).then(|| "covered".to_owned()).into_iter().collect(),
        );
        browser.evaluate(STYLE, vec![json!(SPACED)]).await;
        note("spaced", problems(&browser, CUT).await);
        browser.screen(1440, 900, false).await;
        note("spaced and wide", problems(&browser, CUT).await);
        browser.evaluate(STYLE, vec![json!("")]).await;
        forced_colors(&browser, true).await;
        note("forced colors", problems(&browser, FLAT).await);
        forced_colors(&browser, false).await;
    })
    .await;

    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn large_amounts_and_long_names_fit_on_every_screen() {
    let name = "Supercalifragilisticexpialidocious ".repeat(5);
    let products = format!(
        "1,{},99999999.99,Pizza,\n2,فلافل مع الحمص,5.00,مأكولات,\n",
        name.trim()
    );
    let shop = Shop::selling(&products).await;
    let browser = shop.visitor(Scripts::On).await;
    let mut found = Vec::new();
    let mut look = async |page: &str| {
        for width in [320, 390, 500, 900, 1000, 1440] {
            browser.screen(width, 900, false).await;
            let here = problems(&browser, CUT).await;
            found.extend(
                here.into_iter()
                    .map(|problem| format!("{page} {width}: {problem}")),
            );
        }
    };

    browser.open("/").await;
    browser.click("#p1 .add").await;
    browser.click("#p2 .add").await;
    look("menu").await;
    browser.open("/cart").await;
    browser.fill("#p1 input[name=quantity]", "1000\n").await;
    browser.shows("#p1 .sum", "$99,999,999,990.00").await;
    look("cart").await;
    browser.click("form[data-checkout] button").await;
    browser.shows("h1", "Order ").await;
    look("order").await;
    browser.open("/orders").await;
    browser.shows(".orders", "1000 × Super").await;
    look("orders").await;

    assert!(found.is_empty(), "{found:#?}");
}

async fn forced_colors(browser: &Browser, on: bool) {
    let value = if on { "active" } else { "none" };
    let features = json!({ "features": [{ "name": "forced-colors", "value": value }] });
    browser.devtools("Emulation.setEmulatedMedia", features).await;
}

#[tokio::test]
async fn a_receipt_of_ten_products_prints_on_one_page_without_controls() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    for product in 1..=10 {
        browser.click(&format!("#p{product} .add")).await;
        browser.find(&format!("#p{product} [name=less]")).await;
    }
    browser.shows("#cart-link .count", "10").await;
    browser.open("/cart").await;
    browser.click("form[data-checkout] button").await;
    browser.shows("h1", "Order ").await;

    for (width, height) in [(8.27, 11.69), (8.5, 11.0)] {
        let paper = json!({ "paperWidth": width, "paperHeight": height });
        let printed = browser.devtools("Page.printToPDF", paper).await;
        assert_eq!(pages(&printed["data"]), 1, "{width} × {height} inches");
    }
    let print = json!({ "media": "print" });
    browser.devtools("Emulation.setEmulatedMedia", print).await;
    assert_eq!(browser.text("form button").await, "");
    assert_eq!(browser.text("header").await, "");
    browser.shows(".code strong", "-").await;
    browser
        .shows(".receipt", "Veggie Burger\t1\t$10.49\t$10.49")
        .await;
    browser.shows(".totals .total dd", "$").await;
}

/// The pages of a PDF: its page tree counts them.
fn pages(pdf: &Value) -> usize {
    let text = String::from_utf8_lossy(&crate::accessibility::base64(pdf)).into_owned();
    let counts = text.split("/Count ").skip(1).map(|rest| {
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
        digits.unwrap().parse().unwrap()
    });
    counts.max().expect("a page tree")
}
