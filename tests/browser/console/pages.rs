//! Every page of the console: accessible, without errors, and of use without scripts.

use std::path::Path;

use serde_json::json;

use super::Kitchen;
use crate::accessibility::{check, picture};
use crate::browser::{Browser, Scripts};

/// Where screenshots go.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/console");

const ROWS: &str = "
    INSERT INTO job_dead (id, kind, priority, created_at, died_at, reason, attempt, rescues, timeout_ms, payload, last_error,
        attempts, trace_ctx, min_build)
    SELECT n, CASE WHEN n % 3 = 0 THEN 'reporting.export' ELSE 'order.webhook' END, 0, now() - interval '2 h',
        now() - interval '1 h', CASE WHEN n % 4 = 0 THEN 'permanent' ELSE 'exhausted' END, 8, 0, 20000,
        '{\"endpoint\": \"0199f000-0000-7000-8000-000000000001\", \"event\": \"order.placed\", \"mail\": \"ann@example.org\"}',
        'HTTP 503', jsonb_build_array(jsonb_build_object('at', now(), 'attempt', 8, 'worker', gen_random_uuid(), 'error', 'HTTP 503')),
        '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 0
    FROM generate_series(9000001, 9000012) AS n;
    INSERT INTO job (kind, priority, timeout_ms, payload, run_at) SELECT 'order.webhook', 0, 20000,
        '{\"endpoint\": \"0199f000-0000-7000-8000-000000000001\", \"event\": \"order.placed\"}', now() + interval '1 h'
    FROM generate_series(1, 8);
    INSERT INTO job_control (scope, paused_by, reason) VALUES ('kind:order.webhook', 'key', 'The receiver is rebuilt until noon');
    INSERT INTO webhook_endpoints (id, url, events, delivered_at) VALUES
        ('0199f000-0000-7000-8000-000000000001', 'https://orders.example/hooks/food', '{order.placed,order.status_changed}', now());
    INSERT INTO job_result (public_id, job_id, kind, created_at, attempt, outcome, result) VALUES
        (gen_random_uuid(), 7, 'order.webhook', now(), 1, 'done',
         '{\"status\": 204, \"ms\": 17, \"endpoint\": \"0199f000-0000-7000-8000-000000000001\", \"event\": \"order.placed\"}');
    INSERT INTO sales_watermark (time_zone, cluster, xid, as_of) VALUES ('UTC', 1, 1, now()) ON CONFLICT DO NOTHING;
    INSERT INTO sales_daily (dimension, day, key, orders, units, gross, discounts, total)
    SELECT 'day', day, to_char(day, 'YYYY-MM-DD'), 40 + n, 90, 700 + 13 * n % 400, 20, 680 + 13 * n % 400
    FROM (SELECT current_date - n AS day, n FROM generate_series(0, 29) AS n) AS days ON CONFLICT DO NOTHING;
    INSERT INTO operator_actions (via, action, target, outcome, after)
    SELECT 'console', 'jobs.replay', 'job ' || n, 'done', '{\"number\": 5000}' FROM generate_series(1, 5) AS n";

/// A kitchen in which all pages have something to show, and the pages.
async fn busy() -> (Kitchen, Vec<(&'static str, String)>) {
    let kitchen = Kitchen::open().await;
    kitchen.execute(ROWS).await;
    let mut orders = Vec::new();
    for product in [1, 7, 3, 9, 5, 8, 2] {
        orders.push(kitchen.order(product).await);
    }
    for (order, steps) in orders.iter().zip([3, 2, 2, 1]) {
        for status in ["accepted", "preparing", "ready"].into_iter().take(steps) {
            kitchen.server.change(order, status).await;
        }
    }
    let job = kitchen.value("SELECT min(id) FROM job").await;
    let pages = vec![
        ("orders", "/orders".to_owned()),
        ("order", format!("/orders/{}", orders[3])),
        ("jobs", "/jobs".to_owned()),
        ("job", format!("/jobs/{job}")),
        ("dead", "/dead".to_owned()),
        ("dead-letter", "/dead/9000001".to_owned()),
        ("dead-all", "/dead/all?reason=permanent".to_owned()),
        ("webhooks", "/webhooks".to_owned()),
        (
            "webhook",
            "/webhooks/0199f000-0000-7000-8000-000000000001".to_owned(),
        ),
        ("sales", "/sales".to_owned()),
        ("loads", "/loads".to_owned()),
        ("system", "/system".to_owned()),
        ("audit", "/audit".to_owned()),
        ("missing", "/nowhere".to_owned()),
    ];
    (kitchen, pages)
}

async fn grid(dark: bool) {
    let (kitchen, pages) = busy().await;
    let browser = kitchen.operator(Scripts::On).await;
    let stranger = kitchen.stranger(Scripts::On).await;
    let log_in = vec![("log-in", "/login".to_owned())];
    std::fs::create_dir_all(PICTURES).unwrap();
    let mut found = Vec::new();
    for width in [320, 1440] {
        for (browser, pages) in [(&browser, &pages), (&stranger, &log_in)] {
            browser.screen(width, 900, dark).await;
            for (name, path) in pages {
                browser.open(path).await;
                browser.find("main").await;
                let place = format!("{name}-{width}-{}", if dark { "dark" } else { "light" });
                for problem in check(browser).await {
                    found.push(format!("{place}: {problem}"));
                }
                picture(browser, &Path::new(PICTURES).join(format!("{place}.png"))).await;
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn every_page_of_the_console_is_accessible_by_day() {
    grid(false).await;
}

#[tokio::test]
async fn every_page_of_the_console_is_accessible_by_night() {
    grid(true).await;
}

#[tokio::test]
async fn without_scripts_every_page_is_shown_and_dead_letters_are_replayed() {
    let (kitchen, pages) = busy().await;
    let browser = kitchen.operator(Scripts::Off).await;
    for (name, path) in &pages {
        browser.open(path).await;
        assert!(browser.text("main").await.len() > 40, "{name}");
    }
    browser.open("/dead").await;
    browser.click("input[value=\"9000012\"]").await;
    browser.click("button[value=replay]").await;
    browser.shows(".banner", "Queued again").await;
    // Those that die again are others.
    let replayed = "SELECT count(replayed_as) FROM job_dead WHERE id BETWEEN 9000001 AND 9000012";
    assert_eq!(kitchen.value(replayed).await, "1");

    browser.click("a[href^=\"/dead/all\"]").await;
    browser.shows("h1", "All 11 dead letters").await;
    browser.fill("#f-typed", "10").await;
    browser.click("form:has([value=purge]) button").await;
    browser.shows(".banner", "type 11 to confirm").await;
    browser.open("/dead/all").await;
    browser.shows("main", "No worker runs").await;
    browser.click("form:has([value=replay]) button").await;
    browser.shows(".banner", "Begun in the background").await;
    let worker = kitchen.worker().await;
    test_support::eventually("all are replayed", async || kitchen.value(replayed).await == "12").await;
    worker.stop().await;

    browser.open("/jobs").await;
    browser.click("form[action=\"/jobs/resume\"] button").await;
    browser.shows(".banner", "Resumed").await;
    browser.fill("#f-scope", "priority:LOW").await;
    browser.fill("#f-reason", "Backup until 14:00").await;
    browser.click("form[action=\"/jobs/pause\"] button").await;
    browser.shows("main", "Backup until 14:00").await;
}

/// The pictures of docs/CONSOLE.md.
#[tokio::test]
async fn the_pictures_of_the_documentation_are_small() {
    let (kitchen, pages) = busy().await;
    let browser = kitchen.operator(Scripts::On).await;
    browser.screen(1100, 760, false).await;
    std::fs::create_dir_all(PICTURES).unwrap();
    for name in ["orders", "jobs", "dead-all", "sales"] {
        let (_, path) = pages.iter().find(|page| page.0 == name).unwrap();
        browser.open(path).await;
        let file = Path::new(PICTURES).join(format!("console-{name}.webp"));
        webp(&browser, &file).await;
        let size = std::fs::metadata(&file).unwrap().len();
        assert!((5_000..90_000).contains(&size), "{name}: {size} bytes");
    }
}

async fn webp(browser: &Browser, file: &Path) {
    let format = json!({ "format": "webp", "quality": 70 });
    let shot = browser.devtools("Page.captureScreenshot", format).await;
    std::fs::write(file, crate::accessibility::base64(&shot["data"])).unwrap();
}
