//! Which changes are made: the table of transitions, If-Match, reasons, old orders, promotions.

use serde_json::json;
use shop::order_status::allowed;
use shop::{Actor, OrderStatus};

use super::{cancel, change, events, in_state, placed, put, status};
use crate::client::Request;
use crate::fixtures::{APITEST, MANAGER, PIZZA};
use crate::harness::TestApp;

#[tokio::test]
async fn staff_makes_exactly_the_changes_of_the_table() {
    let app = TestApp::start().await;
    let reserved = [OrderStatus::OutForDelivery, OrderStatus::Delivered];
    for from in OrderStatus::ALL
        .into_iter()
        .filter(|from| !reserved.contains(from))
    {
        for to in OrderStatus::ALL {
            let order = in_state(&app, from.name()).await;
            let before = status(&app, &order).await;

            let answer = change(&app.server, &order, to.name()).await;

            let possible: Vec<&str> = allowed(from, Actor::Staff).map(OrderStatus::name).collect();
            if from == to {
                assert_eq!((answer.status(), answer.bytes()), (200, before.bytes()), "{from}");
            } else if possible.contains(&to.name()) {
                assert_eq!(
                    (answer.status(), &answer.json()["status"]),
                    (200, &json!(to.name()))
                );
            } else {
                let body = answer.json();
                assert_eq!(
                    answer.error(),
                    (409, "transition_not_allowed".into()),
                    "{from} {to}"
                );
                assert_eq!(
                    (&body["status"], &body["allowed"]),
                    (&json!(from.name()), &json!(possible))
                );
                assert_eq!(status(&app, &order).await.bytes(), before.bytes());
            }
        }
    }
}

#[tokio::test]
async fn if_match_is_honored() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let accept = put(MANAGER, &order, &json!({"status": "accepted"}));

    for rubbish in [
        "",
        "1",
        "\"1",
        "1\"",
        "w/\"1\"",
        "\"1\" \"2\"",
        "\"1\",",
        ",\"1\"",
        "*, \"1\"",
        "\"1 2\"",
        "'1'",
    ] {
        let answer = app.send(&accept.clone().header("If-Match", rubbish)).await;
        assert_eq!(answer.error(), (400, "invalid_if_match".into()), "{rubbish}");
    }
    for stale in [
        "\"2\"",
        "W/\"1\"",
        "\"x\"",
        "\"\"",
        "\"01\"",
        "\"-1\"",
        "\"+1\"",
        "\"1,2\"",
        "\"99999999999999999999\"",
    ] {
        let answer = app.send(&accept.clone().header("If-Match", stale)).await;
        assert_eq!(answer.error(), (412, "status_changed".into()), "{stale}");
        assert_eq!(answer.header("etag"), Some("\"1\""));
    }
    assert_eq!(events(&app, &order).await, "0");
    let several = accept.clone().header("If-Match", "\"8\" ,\t\"7\"");
    let answer = app.send(&several.header("If-Match", "\"1\"")).await;
    assert_eq!((answer.status(), answer.header("etag")), (200, Some("\"2\"")));
    // The one who comes second is told which version there is now.
    let answer = app.send(&accept.clone().header("If-Match", "\"1\"")).await;
    assert_eq!((answer.status(), answer.header("etag")), (412, Some("\"2\"")));
    assert_eq!(app.send(&accept.header("If-Match", "*")).await.status(), 200);
    assert_eq!(events(&app, &order).await, "1");
}

#[tokio::test]
async fn a_reason_is_needed_kept_and_shown_and_a_note_is_kept_only() {
    let app = TestApp::start().await;
    let order = in_state(&app, "preparing").await;

    let without = app.send(&cancel(MANAGER, &order)).await;
    assert_eq!(without.error(), (422, "reason_required".into()));
    let body = json!({"reason": "not_collected", "note": "phoned twice"});
    let request = cancel(MANAGER, &order).json(body.to_string());
    let answer = app.send(&request).await;

    assert_eq!(
        (answer.status(), &answer.json()["reason"]),
        (200, &json!("not_collected"))
    );
    assert_eq!(answer.json()["history"][3]["reason"], "not_collected");
    assert!(!answer.text().contains("phoned"));
    let note = "SELECT note FROM order_events WHERE reason = 'not_collected'";
    assert_eq!(app.database.value(note).await, "phoned twice");
    let order = placed(&app).await;
    for (body, kind) in [
        (json!({"status": "rejected"}), "reason_required"),
        (
            json!({"status": "accepted", "reason": "other"}),
            "reason_not_allowed",
        ),
        (
            json!({"status": "ready", "readyInMinutes": 5}),
            "ready_in_minutes_not_allowed",
        ),
        (json!({"status": "eaten"}), "status_unknown"),
        (json!({"readyInMinutes": 5}), "field_required"),
        (json!({"status": "rejected", "reason": "rain"}), "reason_unknown"),
        (json!({"status": "accepted", "note": "\0"}), "note_invalid"),
        (
            json!({"status": "accepted", "note": "ä".repeat(501)}),
            "note_invalid",
        ),
    ] {
        assert_eq!(
            app.send(&put(MANAGER, &order, &body)).await.error(),
            (422, kind.into()),
            "{body}"
        );
    }
    assert_eq!(events(&app, &order).await, "0");
    let body = json!({"status": "accepted", "note": "ä\n".repeat(250), "reason": null, "eta": 1});
    assert_eq!(app.send(&put(MANAGER, &order, &body)).await.status(), 200);
}

#[tokio::test]
async fn the_minutes_until_an_order_is_ready_are_a_whole_number_from_1_to_1440() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let change = |minutes: &str| {
        let body = format!(r#"{{"status":"accepted","readyInMinutes":{minutes}}}"#);
        put(MANAGER, &order, &json!({})).body(body)
    };

    for wrong in ["\"20\"", "1.5", "[20]", "true"] {
        let answer = app.send(&change(wrong)).await;
        assert_eq!(answer.error(), (400, "wrong_type".into()), "{wrong}");
    }
    for outside in ["0", "-1", "1441", "3e99"] {
        let answer = app.send(&change(outside)).await;
        let expected = (422, "ready_in_minutes_out_of_range".into());
        assert_eq!(answer.error(), expected, "{outside}");
    }
    assert_eq!(events(&app, &order).await, "0");
    for minutes in ["null", "1", "2e1", "1440"] {
        assert_eq!(app.send(&change(minutes)).await.status(), 200, "{minutes}");
    }
}

#[tokio::test]
async fn an_order_from_before_the_life_cycle_was_picked_up() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    app.database
        .execute("UPDATE order_life_cycle SET began_at = clock_timestamp()")
        .await;

    let read = status(&app, &order).await;
    let changed = change(&app.server, &order, "accepted").await;
    let cancelled = app.send(&cancel(APITEST, &order)).await;

    assert_eq!(read.header("etag"), Some("\"1\""));
    assert_eq!(read.json()["status"], "picked_up");
    assert_eq!(read.json()["history"].as_array().unwrap().len(), 1);
    for answer in [changed, cancelled] {
        assert_eq!(answer.error(), (409, "transition_not_allowed".into()));
        assert_eq!(
            (&answer.json()["status"], &answer.json()["allowed"]),
            (&json!("picked_up"), &json!([]))
        );
    }
    assert_eq!(events(&app, &order).await, "0");
}

#[tokio::test]
async fn a_use_is_given_back_by_a_rejection_or_a_cancellation_before_acceptance_alone() {
    let app = TestApp::start().await;
    app.promotion("FOURTIMES").max_uses(4).insert().await;
    let uses = async || app.database.value("SELECT uses FROM promotion_uses").await;
    let order = async || app.place_order([(PIZZA, 2)]).coupon("FOURTIMES").id().await;
    let (rejected, cancelled, accepted, kept) = (order().await, order().await, order().await, order().await);
    let sold_out = app.place_order([(PIZZA, 2)]).coupon("FOURTIMES").send().await;
    assert_eq!(sold_out.error(), (422, "coupon_sold_out".into()));

    assert_eq!(change(&app.server, &rejected, "rejected").await.status(), 200);
    assert_eq!(uses().await, "3");
    for _ in 0..2 {
        assert_eq!(app.send(&cancel(APITEST, &cancelled)).await.status(), 200);
        assert_eq!(uses().await, "2");
    }
    assert_eq!(change(&app.server, &accepted, "accepted").await.status(), 200);
    assert_eq!(change(&app.server, &accepted, "cancelled").await.status(), 200);
    assert_eq!(uses().await, "2");

    order().await;
    order().await;
    let sold_out = app.place_order([(PIZZA, 2)]).coupon("FOURTIMES").send().await;
    assert_eq!(sold_out.error(), (422, "coupon_sold_out".into()));
    assert_eq!(
        (uses().await, events(&app, &kept).await),
        ("4".into(), "0".into())
    );
}

#[tokio::test]
async fn an_order_that_was_not_counted_gives_nothing_back() {
    let app = TestApp::start().await;
    app.promotion("LATERLIMITED").insert().await;
    let order = app
        .place_order([(PIZZA, 2)])
        .coupon("LATERLIMITED")
        .accepted()
        .await;
    app.publish("UPDATE promotions SET max_uses = 1 WHERE code = 'LATERLIMITED'")
        .await;
    app.place_order([(PIZZA, 2)])
        .coupon("LATERLIMITED")
        .accepted()
        .await;

    let answer = app.send(&cancel(APITEST, order["id"].as_str().unwrap())).await;

    assert_eq!(answer.status(), 200);
    assert_eq!(app.database.value("SELECT uses FROM promotion_uses").await, "1");
    let another = app.place_order([(PIZZA, 2)]).coupon("LATERLIMITED").send().await;
    assert_eq!(another.error(), (422, "coupon_sold_out".into()));
}

#[tokio::test]
async fn bodies_and_ids_that_cannot_be_read_are_refused() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let sent = |target: &str, kind: &str, body: &str| {
        Request::new("PUT", target)
            .header("api_key", MANAGER)
            .header("Content-Type", kind)
            .body(body)
    };
    let target = format!("/api/order/{order}/status");
    let json_type = "application/json";
    let unknown = "/api/order/019a2f3c-5d80-7b1e-9c44-2f608f0d3a11/status";
    for (request, expected) in [
        (sent(&target, json_type, "{"), (400, "malformed_json")),
        (sent(&target, json_type, "[]"), (400, "wrong_type")),
        (sent(&target, json_type, ""), (400, "malformed_json")),
        (sent(&target, json_type, r#"{"status":1}"#), (400, "wrong_type")),
        (
            sent(&target, json_type, r#"{"status":"rejected","reason":["other"]}"#),
            (400, "wrong_type"),
        ),
        (sent(&target, "text/plain", "{}"), (415, "unsupported_media_type")),
        (
            sent("/api/order/17/status", json_type, r#"{"status":"accepted"}"#),
            (400, "invalid_order_id"),
        ),
        (
            sent(unknown, json_type, r#"{"status":"accepted"}"#),
            (404, "not_found"),
        ),
        (Request::new("PATCH", &target), (405, "method_not_allowed")),
        (
            Request::get(&format!("/api/order/{order}/cancel")),
            (405, "method_not_allowed"),
        ),
    ] {
        let answer = app.send(&request).await;
        assert_eq!(answer.error(), (expected.0, expected.1.to_owned()), "{request:?}");
    }
    assert_eq!(events(&app, &order).await, "0");
}
