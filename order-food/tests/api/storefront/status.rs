//! The state of an order on its page: live, without JavaScript, cancelled by its browser.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::events::Events;
use crate::fixtures::MANAGER;
use crate::harness::{Server, TestApp};
use crate::order_status::put;
use crate::storefront::browser::Browser;

async fn ordered(browser: &mut Browser<'_>) -> (String, String) {
    browser.add(1, 1).await;
    let link = browser.ordered().await.order_link();
    let id = link.split(['/', '.']).nth(2).unwrap().to_owned();
    (link, id)
}

async fn change(server: &Server, id: &str, body: serde_json::Value) {
    let answer = server.send(&put(MANAGER, id, &body)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

/// The stored state of an order.
async fn status(app: &TestApp, id: &str) -> String {
    let status = format!("SELECT status FROM order_states WHERE order_id = '{id}'");
    app.database.value(&status).await
}

#[tokio::test]
async fn the_page_names_each_state_with_its_time() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    let (link, id) = ordered(&mut browser).await;
    let placed = browser.get(&link).await;
    placed.expects("We have your order");
    assert!(placed.html().contains("data-version=\"1\""));
    assert!(placed.html().contains(&format!("data-events=\"{link}/events\"")));
    assert!(
        placed
            .html()
            .contains("<noscript><meta http-equiv=\"refresh\" content=\"15\"></noscript>")
    );

    for (body, sentence, times) in [
        (
            json!({"status": "accepted", "readyInMinutes": 20}),
            "Your order is accepted. Ready at about",
            3,
        ),
        (json!({"status": "preparing"}), "Your order is being prepared.", 4),
        (
            json!({"status": "ready"}),
            "Your order is ready: please pick it up.",
            4,
        ),
        (
            json!({"status": "picked_up"}),
            "Your order was picked up. Enjoy!",
            5,
        ),
    ] {
        change(&app.server, &id, body.clone()).await;
        let page = browser.get(&link).await;
        assert!(page.says(sentence), "{body}: {}", page.words());
        let status = page.html();
        let status = status
            .split("<section id=\"status\"")
            .nth(1)
            .unwrap()
            .split("</section>")
            .next()
            .unwrap();
        assert_eq!(status.matches("<time").count(), times, "{body}: {status}");
        assert_eq!(status.matches("aria-current=\"step\"").count(), 1);
    }
    // Final: nothing follows, so that nothing asks.
    let over = browser.get(&link).await.html();
    assert!(!over.contains("data-events") && !over.contains("http-equiv"));
}

#[tokio::test]
async fn an_order_that_is_not_taken_says_why() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    let (link, id) = ordered(&mut browser).await;

    change(
        &app.server,
        &id,
        json!({"status": "rejected", "reason": "too_busy", "note": "chef is ill"}),
    )
    .await;

    let page = browser.get(&link).await;
    page.expects("your order cannot be taken. There are too many orders right now.");
    assert!(!page.says("chef"));
}

#[tokio::test]
async fn a_change_at_another_replica_is_told_within_a_second() {
    let app = TestApp::open_shop().await;
    let other = app.open_replica().await;
    let mut browser = app.browser();
    let (link, id) = ordered(&mut browser).await;
    let mut events = Events::at(
        &app.server,
        &format!("{link}/events"),
        "Accept: text/event-stream\r\n",
    )
    .await;
    assert_eq!(events.status(), 200, "{}", events.head);
    assert_eq!(events.next().await.unwrap().state(), ("placed".into(), 1));

    let began = Instant::now();
    change(&other, &id, json!({"status": "accepted"})).await;

    assert_eq!(events.next().await.unwrap().state(), ("accepted".into(), 2));
    // Without a hint, streams look every 10 s.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let forged = app.get(&format!("/order/{id}.{}/events", "A".repeat(22))).await;
    assert_eq!(forged.status(), 404);
}

#[tokio::test]
async fn the_browser_that_ordered_may_cancel_and_no_other() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    let (link, id) = ordered(&mut browser).await;
    let cancel = format!("{link}/cancel");
    browser.get(&link).await.expects("Cancel this order");

    let mut stranger = app.browser();
    assert!(!stranger.get(&link).await.says("Cancel this order"));
    assert_eq!(stranger.submit(&cancel, &[]).await.status(), 403);
    let foreign = browser
        .tab()
        .header("Sec-Fetch-Site", "cross-site")
        .submit(&cancel, &[])
        .await;
    assert_eq!(foreign.status(), 403);
    browser.get(&link).await.expects("We have your order");

    let page = browser.post(&cancel, &[]).await;
    page.expects("Your order was cancelled. There is nothing to pay.");
    assert!(!page.says("Cancel this order"));
    assert_eq!(status(&app, &id).await, "cancelled");
    // Once more is the same.
    browser
        .post(&cancel, &[])
        .await
        .expects("Your order was cancelled.");
}

#[tokio::test]
async fn a_cancellation_that_comes_too_late_is_told_so() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    let (link, id) = ordered(&mut browser).await;
    change(&app.server, &id, json!({"status": "accepted"})).await;

    let page = browser.post(&format!("{link}/cancel"), &[]).await;

    page.expects("Your order was answered in the meantime");
    page.expects("Your order is accepted.");
    assert_eq!(status(&app, &id).await, "accepted");
}
