//! `make audit-web`: what takes minutes, or varies from run to run: Lighthouse, the Nu HTML
//! Checker, axe on the whole grid, and how soon a click is painted.

mod lighthouse;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::accessibility::{base64, grid};
use crate::browser::{Browser, Scripts};
use crate::driver::program;
use crate::shop::Shop;
use crate::tour::tour;
use lighthouse::{Figures, Form};

/// What is audited goes here, and what npm installed is in `npm`.
fn folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("audit-web")
}

/// Figures, and those of them that miss their bound.
#[derive(Default)]
struct Report {
    text: String,
    missed: Vec<String>,
}

impl Report {
    fn line(&mut self, text: &str) {
        writeln!(self.text, "{text}").unwrap();
    }

    /// A figure that shall be at most `most`.
    fn at_most(&mut self, what: &str, measured: f64, most: f64) {
        let is_met = measured <= most;
        let mark = if is_met { "" } else { " **missed**" };
        self.line(&format!("| {what} | {measured:.2}{mark} | ≤ {most} |"));
        if !is_met {
            self.missed.push(format!("{what}: {measured} > {most}"));
        }
    }
}

#[tokio::test]
#[ignore = "make audit-web"]
async fn everything_reaches_its_goal() {
    std::fs::create_dir_all(folder()).unwrap();
    let mut report = Report::default();
    report.line("# The storefront, measured\n\n| what | measured | goal |\n|---|---|---|");
    accessible(&mut report).await;
    valid(&mut report).await;
    painted(&mut report).await;
    portrait().await;
    light(&mut report).await;

    std::fs::write(folder().join("README.md"), &report.text).unwrap();
    println!("{}", report.text);
    assert!(report.missed.is_empty(), "{:#?}", report.missed);
}

/// axe, console and sizes on every page, by day and by night, on phone, tablet and desk.
async fn accessible(report: &mut Report) {
    for dark in [false, true] {
        let (looks, found) = grid(&[320, 768, 1440], dark, &folder()).await;
        let scheme = if dark { "dark" } else { "light" };
        let what = format!("axe, console, touch sizes, {scheme}: problems in {looks} screens");
        report.at_most(&what, found.len() as f64, 0.0);
        report.missed.extend(found);
    }
}

/// The HTML of every address, as the server sends it, by the Nu HTML Checker.
async fn valid(report: &mut Report) {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    let html = folder().join("html");
    let _ = std::fs::remove_dir_all(&html);
    std::fs::create_dir_all(&html).unwrap();
    let fetch = "
        const done = arguments[0];
        fetch(location.href, { headers: { Accept: 'text/html' } }).then(answer => answer.text()).then(done)";
    tour(&shop, &browser, async |page| {
        let text = browser.driver().execute_async(fetch, vec![]).await.unwrap();
        let file = html.join(format!("{page}.html"));
        std::fs::write(file, text.json().as_str().unwrap()).unwrap();
    })
    .await;

    let jar = folder().join("npm/node_modules/vnu-jar/build/dist/vnu.jar");
    let checked = Command::new(program("java"))
        .arg("-jar")
        .arg(jar)
        .args(["--format", "json", "--stdout", "--skip-non-html"])
        .arg(&html)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let messages = answer["messages"].as_array().unwrap();
    let problems: Vec<String> = messages
        .iter()
        .filter(|message| message["type"] == "error" || message["subType"] == "warning")
        .map(|message| {
            format!(
                "{}: {} {}",
                message["url"], message["message"], message["extract"]
            )
        })
        .collect();
    let pages = std::fs::read_dir(&html).unwrap().count();
    let what = format!("Nu HTML Checker: errors and warnings in {pages} pages");
    report.at_most(&what, problems.len() as f64, 0.0);
    report.missed.extend(problems);
}

/// From the click that adds a product to the frame that shows it, on a processor four times slower.
async fn painted(report: &mut Report) {
    let shop = Shop::large().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    browser.find(".card .add").await;
    browser
        .devtools("Emulation.setCPUThrottlingRate", json!({ "rate": 4 }))
        .await;
    let watch = "
        window.clicks = [];
        new PerformanceObserver(list => window.clicks.push(...list.getEntries().filter(entry => entry.name === 'click')
            .map(entry => entry.duration))).observe({ type: 'event', durationThreshold: 16 })";
    browser.evaluate(watch, vec![]).await;
    let mut added = 0;
    for card in 1..=12 {
        browser.click(&format!(".card:nth-child({card}) .add")).await;
        added += 1;
        browser.shows("#cart-link", &added.to_string()).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;

    let clicks = browser.evaluate("return window.clicks", vec![]).await;

    // Clicks painted within 16 ms have no entry.
    let mut clicks: Vec<f64> = serde_json::from_value(clicks).unwrap();
    clicks.resize(clicks.len().max(added), 16.0);
    let worst = clicks.iter().copied().fold(0.0, f64::max);
    report.at_most(
        "Add to cart of 200 products, click to paint, CPU 4×, ms",
        worst,
        100.0,
    );
}

/// The picture of README.md, docs/storefront.webp.
async fn portrait() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.screen(960, 600, false).await;
    browser.open("/").await;
    for product in ["#p1 .add", "#p5 .add", "#p7 .add"] {
        browser.click(product).await;
    }
    browser.shows("#cart-link", "3").await;
    browser
        .evaluate("document.activeElement.blur(); scrollTo(0, 0)", vec![])
        .await;
    let webp = json!({ "format": "webp", "quality": 80 });
    let shot = browser.devtools("Page.captureScreenshot", webp).await;
    std::fs::write(folder().join("storefront.webp"), base64(&shot["data"])).unwrap();
}

/// A page that Lighthouse opens.
struct Target<'a> {
    name: &'a str,
    address: String,
    cookies: String,
    /// Pages of one customer ask not to be found by search engines.
    is_public: bool,
}

impl Target<'_> {
    /// Where a visitor begins.
    fn is_menu(&self) -> bool {
        self.name.starts_with("menu")
    }
}

/// Scores, times, bytes and requests by Lighthouse.
async fn light(report: &mut Report) {
    let (shop, large) = (Shop::open().await, Shop::large().await);
    let browser = shop.visitor(Scripts::On).await;
    let order = ordered(&browser).await;
    for product in ["#p1 .add", "#p7 .add"] {
        browser.open("/").await;
        browser.click(product).await;
        browser.find(&product.replace(".add", "[name=less]")).await;
    }
    let cookies = browser.driver().get_all_cookies().await.unwrap();
    let cookies: Vec<String> = cookies
        .iter()
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    let target = |name, origin: String, path: &str, is_own: bool| Target {
        name,
        address: format!("{origin}{path}"),
        cookies: if is_own { cookies.join("; ") } else { String::new() },
        is_public: !path.starts_with("/order"),
    };
    let targets = [
        target("menu, 10 products", shop.origin(), "/", false),
        target("menu, 200 products", large.origin(), "/", false),
        target("search", shop.origin(), "/?q=pizza", false),
        target("menu with a cart", shop.origin(), "/", true),
        target("cart", shop.origin(), "/cart", true),
        target("order", shop.origin(), &order, true),
        target("own orders", shop.origin(), "/orders", true),
    ];
    report.line(
        "\n| page, median of 3 | performance | accessibility | best practices | SEO | LCP ms | CLS | TBT ms | bytes | requests |\n\
         |---|---|---|---|---|---|---|---|---|---|",
    );
    for form in [Form::Mobile, Form::Desktop] {
        // What is fast on a phone is fast on a desk: there, the largest pages alone.
        let is_measured = |target: &&Target<'_>| form == Form::Mobile || target.is_menu();
        for target in targets.iter().filter(is_measured) {
            let figures = lighthouse::median_of_three(&folder(), target, form);
            report.line(&figures.row(&format!("{}, {form:?}", target.name)));
            report.missed.extend(misses(target, &figures));
        }
    }
}

fn misses(target: &Target<'_>, figures: &Figures) -> Vec<String> {
    let most = if target.name.contains("200") {
        40_000.0
    } else {
        30_000.0
    };
    let [performance, rest @ ..] = figures.scores;
    [
        ("performance", performance >= 98.0),
        ("the other scores", rest.iter().all(|score| *score >= 100.0)),
        ("LCP", figures.lcp_ms <= 1_500.0),
        ("CLS", figures.cls <= 0.02),
        ("TBT", figures.tbt_ms <= 50.0),
        ("bytes", figures.bytes <= most),
        ("requests", figures.requests <= 6.0 || !target.is_menu()),
    ]
    .into_iter()
    .filter(|(_, is_met)| !is_met)
    .map(|(what, _)| format!("{}: {what}: {figures:?}", target.name))
    .collect()
}

async fn ordered(browser: &Browser) -> String {
    let path = crate::live::order(browser).await;
    path.split('?').next().unwrap().to_owned()
}

/// The program of npm's package `lighthouse`.
fn lighthouse_program(folder: &Path) -> PathBuf {
    folder.join("npm/node_modules/lighthouse/cli/index.js")
}
