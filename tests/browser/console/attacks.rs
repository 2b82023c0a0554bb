//! Names that look like markup, and pages of other origins.

use serde_json::json;

use super::Kitchen;
use crate::browser::Scripts;
use crate::foreign::{attacker, nothing_can_be_injected};
use crate::markup::NAMES;

#[tokio::test]
async fn an_order_named_like_markup_is_text_on_every_page() {
    let line = |(index, name): (usize, &&str)| {
        let name = name.replace('"', "\"\"");
        format!("{},\"{name}\",5.00,\"{name}\",\n", index + 1)
    };
    let products: String = NAMES.iter().enumerate().map(line).collect();
    let kitchen = Kitchen::selling(Some(&products)).await;
    let mut order = String::new();
    for product in 1..=NAMES.len() {
        order = kitchen.order(u32::try_from(product).unwrap()).await;
    }
    let browser = kitchen.operator(Scripts::On).await;
    let shown = "return [...document.querySelectorAll('.ticket li')].map(line => line.textContent.slice(4))";
    for path in [
        "/orders",
        &format!("/orders/{order}"),
        "/orders?category=%3Cscript%3E",
        "/jobs?kind=%22%3E%3Cscript%3E",
    ] {
        browser.open(path).await;
        if path == "/orders" {
            let names = browser.evaluate(shown, vec![]).await;
            for name in NAMES {
                assert!(
                    names.as_array().unwrap().contains(&json!(name)),
                    "{name}: {names}"
                );
            }
        }
        assert_eq!(
            browser.evaluate("return typeof attacked", vec![]).await,
            "undefined",
            "{path}"
        );
        let planted = browser
            .all("main script, main style, main img, [onload], [onerror]")
            .await;
        assert!(planted.is_empty(), "{path}");
        assert_eq!(browser.console().await, [""; 0], "{path}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_presses_nothing_and_frames_nothing() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order(1).await;
    let origin = kitchen.origin();
    let page = format!(
        "<form id=pause method=post action='{origin}/jobs/pause'><input name=scope value='*'><input name=reason value=x></form>
         <form id=order method=post action='{origin}/orders/{order}'><input name=to value=cancelled><input name=version value=1>
         <input name=reason value=other></form><iframe src='{origin}/orders'></iframe>"
    );
    let port = attacker(page);
    let browser = kitchen.operator(Scripts::On).await;

    for host in ["localhost", "127.0.0.1"] {
        for form in ["pause", "order"] {
            browser.open(&format!("http://{host}:{port}/")).await;
            let framed = "return document.querySelector('iframe').contentDocument?.body?.textContent ?? ''";
            assert_eq!(browser.evaluate(framed, vec![]).await, "");
            let submit = "document.getElementById(arguments[0]).submit()";
            browser.evaluate(submit, vec![json!(form)]).await;
            browser.shows("h1", "Not allowed").await;
        }
    }

    assert_eq!(kitchen.value("SELECT count(*) FROM job_control").await, "0");
    assert_eq!(kitchen.value("SELECT count(*) FROM order_events").await, "0");
}

#[tokio::test]
async fn no_script_can_be_planted_in_a_page_and_the_board_goes_on() {
    let kitchen = Kitchen::open().await;
    let browser = kitchen.operator(Scripts::On).await;
    for path in ["/orders", "/jobs"] {
        browser.open(path).await;
        nothing_can_be_injected(&browser).await;
    }
    // A browser of its own: what the other complained of may come late.
    let browser = kitchen.operator(Scripts::On).await;
    let order = kitchen.order(1).await;
    // Its card comes through the one policy that parses HTML.
    browser.find(&format!("#t-{order}")).await;
    assert_eq!(browser.console().await, [""; 0]);
}

/// Guesses until none is free for seconds, then sends the right key: the status of its answer. A
/// person would take so long that one is free again.
const RIGHT: &str = "
    const [key, done] = arguments;
    const send = key => fetch('/login', { method: 'POST', body: new URLSearchParams({ key }) });
    const guess = async () => {
        const answer = await send('guess');
        return answer.status === 429 && Number(answer.headers.get('retry-after')) > 3 ? send(key) : guess();
    };
    guess().then(answer => done(answer.status), error => done(String(error)))";

#[tokio::test]
async fn guesses_at_the_log_in_come_to_an_end() {
    let kitchen = Kitchen::open().await;
    let browser = kitchen.stranger(Scripts::Off).await;
    browser.open("/login").await;
    for _ in 0..30 {
        browser.fill("#f-key", "guess").await;
        browser.follow("form.fields button").await;
        if browser.text(".banner").await.contains("Too many tries") {
            let status = browser
                .driver()
                .execute_async(RIGHT, vec![json!(super::STAFF)])
                .await;
            assert_eq!(*status.unwrap().json(), json!(429));
            return;
        }
        browser.shows(".banner", "no valid API key").await;
    }
    panic!("30 guesses within a minute");
}
