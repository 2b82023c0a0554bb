//! An order from placed to picked up.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{change, events, placed, put, status};
use crate::client::{Answer, Request};
use crate::fixtures::{APITEST, MANAGER, key_id};
use crate::harness::TestApp;

fn time(answer: &Answer, field: &str) -> DateTime<Utc> {
    answer.json()[field].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_order_is_accepted_prepared_recalled_and_picked_up_and_every_step_is_kept() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let address = format!("/api/order/{order}");
    let before = app.get_as(APITEST, &address).await;

    let first = status(&app, &order).await;
    assert_eq!(first.header("etag"), Some("\"1\""));
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let body = first.json();
    assert_eq!((&body["status"], &body["version"]), (&json!("placed"), &json!(1)));
    assert_eq!(
        body["history"],
        json!([{"status": "placed", "at": body["changedAt"]}])
    );
    assert_eq!((body.get("readyAt"), body.get("reason")), (None, None));

    let accepted = app
        .send(&put(
            MANAGER,
            &order,
            &json!({"status": "accepted", "readyInMinutes": 15}),
        ))
        .await;
    assert_eq!((accepted.status(), accepted.header("etag")), (200, Some("\"2\"")));
    assert_eq!(
        time(&accepted, "readyAt"),
        time(&accepted, "changedAt") + TimeDelta::minutes(15)
    );
    let way = ["preparing", "ready", "preparing", "ready", "picked_up"];
    for (version, to) in (3..).zip(way) {
        let answer = change(&app.server, &order, to).await;
        let body = answer.json();
        assert_eq!((&body["status"], &body["version"]), (&json!(to), &json!(version)));
        assert_eq!(body["history"].as_array().unwrap().len(), version);
        assert_eq!(status(&app, &order).await.bytes(), answer.bytes());
        match (version, to) {
            (3, _) => assert_eq!(time(&answer, "readyAt"), time(&accepted, "readyAt")),
            (_, "ready") => assert_eq!(time(&answer, "readyAt"), time(&answer, "changedAt")),
            _ => {}
        }
    }

    let last = status(&app, &order).await;
    let steps: Vec<String> = last.json()["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        steps.join(" "),
        "placed accepted preparing ready preparing ready picked_up"
    );
    let fresh = Request::get(&format!("{address}/status"))
        .header("api_key", APITEST)
        .header("If-None-Match", "\"7\"");
    assert_eq!(app.send(&fresh).await.status(), 304);
    assert_eq!(app.get_as(APITEST, &address).await.bytes(), before.bytes());
    assert_eq!(events(&app, &order).await, "6");
    let actions = "SELECT count(*) || ' ' || min(via) || ' ' || min(key_id::text) || ' ' || min(target)
        FROM operator_actions WHERE action = 'orders.status' AND outcome = 'done'";
    assert_eq!(
        app.database.value(actions).await,
        format!("6 api {} order {order}", key_id(MANAGER))
    );
}

#[tokio::test]
async fn the_same_status_again_writes_nothing_and_another_time_is_a_version() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let accept = |minutes: i64| {
        put(
            MANAGER,
            &order,
            &json!({"status": "accepted", "readyInMinutes": minutes}),
        )
    };

    let first = app.send(&accept(20)).await;
    let again = app.send(&accept(20)).await;
    let plain = change(&app.server, &order, "accepted").await;
    let later = app.send(&accept(30)).await;
    let later_again = app.send(&accept(30)).await;

    assert_eq!(again.bytes(), first.bytes());
    assert_eq!(plain.bytes(), first.bytes());
    assert_eq!(later.header("etag"), Some("\"3\""));
    assert_eq!(
        time(&later, "readyAt"),
        time(&later, "changedAt") + TimeDelta::minutes(30)
    );
    assert_eq!(later_again.bytes(), later.bytes());
    assert_eq!(events(&app, &order).await, "2");
    let event = "SELECT from_status || ' ' || to_status || ' ' || actor FROM order_events WHERE version = 3";
    assert_eq!(app.database.value(event).await, "accepted accepted staff");
}

#[tokio::test]
async fn without_a_time_the_setting_counts() {
    let app = TestApp::with(|settings| settings.orders.ready_minutes = 45).await;
    let order = placed(&app).await;

    let answer = change(&app.server, &order, "accepted").await;

    assert_eq!(
        time(&answer, "readyAt"),
        time(&answer, "changedAt") + TimeDelta::minutes(45)
    );
}
