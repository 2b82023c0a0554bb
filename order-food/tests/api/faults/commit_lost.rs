//! An order was sent, and what the server did with it is not heard.

use futures_util::future::join_all;
use serde_json::json;
use test_support::eventually;

use super::proxy::{CUTS, Proxy, Wire};
use crate::client::Answer;
use crate::coupons::MANY_CODES;
use crate::fixtures::{self, APITEST, PIZZA};
use crate::harness::TestApp;

async fn over_a_wire() -> (TestApp, Proxy) {
    over_connections(1).await
}

/// The same over so many connections for either kind of orders.
async fn over_connections(connections: usize) -> (TestApp, Proxy) {
    let (app, proxy) = Proxy::before(fixtures::database().await, |settings| {
        settings.writer_connections_min = connections;
        settings.writer_connections_max = connections;
    })
    .await;
    app.server.until_writer_has(connections).await;
    (app, proxy)
}

#[tokio::test]
async fn an_order_whose_commit_was_not_answered_is_stored_once_and_answered() {
    let (app, proxy) = over_a_wire().await;

    for wire in CUTS {
        let (cuts, orders) = (proxy.cuts(), app.order_count().await);
        proxy.set(wire);

        let order = app.place_order([(PIZZA, 2)]).accepted().await;

        assert_eq!(proxy.cuts(), cuts + 1, "{wire:?}");
        assert_eq!(app.order_count().await, orders + 1, "{wire:?}");
        let read = app
            .get_as(APITEST, &format!("/api/order/{}", order["id"].as_str().unwrap()))
            .await;
        assert_eq!(read.json(), order);
    }
    assert_eq!(app.database.value("SELECT count(*) FROM order_items").await, "5");
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("\norder_resubmissions_total 5\n"), "{metrics}");
}

/// More than one batch holds: another one is in progress, or waits.
const CROWD: usize = 100;

#[tokio::test]
async fn a_crowd_with_batches_in_progress_is_stored_once_and_answered() {
    crowd_over(1).await;
}

#[tokio::test]
async fn so_is_a_crowd_over_eight_connections() {
    crowd_over(8).await;
}

async fn crowd_over(connections: usize) {
    let (app, proxy) = over_connections(connections).await;
    let client = async || {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(app.place_order([(PIZZA, 2)]).send().await);
        }
        answers
    };

    for wire in CUTS {
        let cuts = proxy.cuts();
        let before = app.order_count().await;
        let cut = async {
            eventually("the crowd is served", async || {
                app.order_count().await > before + CROWD
            })
            .await;
            proxy.set(wire);
        };
        let (answers, ()) = tokio::join!(join_all((0..CROWD).map(|_| client())), cut);

        // Over several connections several commits may be in progress.
        let cut = proxy.cuts() - cuts;
        assert!((1..=connections).contains(&cut), "{wire:?}: {cut}");
        let answers = answers.concat();
        let (stored, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 200);
        // Behind a silent connection too little time is left for those that were not sent.
        let too_late = matches!(wire, Wire::AnswerSilent | Wire::CommitSilent);
        assert!(refused.is_empty() || too_late, "{wire:?}: {}", refused.len());
        for answer in refused {
            assert_eq!(answer.error(), (503, "unavailable".into()), "{wire:?}");
        }
        assert_eq!(app.order_count().await, before + stored.len(), "{wire:?}");
    }
    let lines = app.database.value("SELECT count(*) FROM order_items").await;
    assert_eq!(lines, app.order_count().await.to_string());
}

#[tokio::test]
async fn a_use_is_counted_once_although_the_order_was_sent_twice() {
    uses_over(1).await;
}

#[tokio::test]
async fn a_use_is_counted_once_over_eight_connections() {
    uses_over(8).await;
}

async fn uses_over(connections: usize) {
    let (app, proxy) = over_connections(connections).await;
    app.promotion("LIMITED").max_uses(3).insert().await;
    let order = || app.place_order([(PIZZA, 2)]).coupon("LIMITED").send();

    for wire in [Wire::AnswerLost, Wire::CommitLost, Wire::SyncLost] {
        proxy.set(wire);
        assert_eq!(order().await.status(), 200, "{wire:?}");
    }
    assert_eq!(order().await.error(), (422, "coupon_sold_out".into()));

    assert_eq!(proxy.cuts(), 3);
    assert_eq!(app.database.value("SELECT uses FROM promotion_uses").await, "3");
    assert_eq!(app.order_count().await, 3);
}

#[tokio::test]
async fn an_order_that_took_the_last_use_itself_is_not_told_that_the_coupon_is_used_up() {
    let (app, proxy) = over_a_wire().await;

    for (code, wire) in [
        ("LASTONE", Wire::AnswerLost),
        ("LASTTWO", Wire::CommitLost),
        ("LASTTHREE", Wire::SyncLost),
    ] {
        app.promotion(code).max_uses(1).insert().await;
        let cuts = proxy.cuts();
        proxy.set(wire);

        let order = app.place_order([(PIZZA, 2)]).coupon(code).accepted().await;

        assert_eq!(proxy.cuts(), cuts + 1, "{wire:?}");
        let stored = format!("SELECT id FROM orders WHERE coupon_code = '{code}'");
        assert_eq!(
            app.database.value(&stored).await,
            order["id"].as_str().unwrap(),
            "{wire:?}"
        );
        let uses = format!("SELECT uses FROM promotion_uses WHERE code = '{code}'");
        assert_eq!(app.database.value(&uses).await, "1", "{wire:?}");
        let next = app.place_order([(PIZZA, 2)]).coupon(code).send().await;
        assert_eq!(next.error(), (422, "coupon_sold_out".into()));
    }
    assert_eq!(app.order_count().await, 3);
}

#[tokio::test]
async fn an_order_that_was_stored_is_not_told_that_its_code_is_unknown_by_now() {
    let (app, proxy) = over_a_wire().await;
    app.publish(MANY_CODES).await;
    let unlist = "
        CREATE FUNCTION unlist() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN DELETE FROM coupon_codes WHERE code = NEW.coupon_code; RETURN NULL; END';
        CREATE TRIGGER unlist AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION unlist()";
    app.database.execute(unlist).await;

    for (wire, code) in
        CUTS.into_iter()
            .zip(["M00000001", "M00000002", "M00000003", "M00000004", "M00000005"])
    {
        proxy.set(wire);

        let order = || app.place_order([(PIZZA, 2)]).coupon(code);

        order().accepted().await;
        assert_eq!(
            order().send().await.error(),
            (422, "coupon_unknown".into()),
            "{wire:?}"
        );
    }
    assert_eq!(proxy.cuts(), 5);
    assert_eq!(app.order_count().await, 5);
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_is_said_to_be_and_can_be_asked_for_later() {
    let (app, proxy) = over_a_wire().await;

    for (wire, stored) in [
        (Wire::AnswerLostThenAway, true),
        (Wire::CommitLostThenAway, false),
    ] {
        let orders = app.order_count().await;
        proxy.set(wire);

        let answer = app.place_order([(PIZZA, 2)]).send().await;

        assert_eq!(answer.error(), (503, "outcome_unknown".into()), "{wire:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        let path = format!("/api/order/{}", answer.json()["orderId"].as_str().unwrap());
        assert_eq!(
            app.get_as(APITEST, &path).await.error(),
            (503, "unavailable".into())
        );
        proxy.set(Wire::Whole);
        let later = until_answered(&app, &path).await;
        assert_eq!(later.status(), if stored { 200 } else { 404 }, "{wire:?}");
        assert_eq!(app.order_count().await, orders + usize::from(stored));
        eventually("orders are taken again", async || {
            app.place_order([(PIZZA, 1)]).send().await.status() == 200
        })
        .await;
        if stored {
            assert_eq!(later.json()["items"], json!([{"productId": "7", "quantity": 2}]));
        }
    }
}

#[tokio::test]
async fn an_idempotency_key_is_remembered_although_the_answer_was_lost() {
    let (app, proxy) = over_a_wire().await;

    for (key, wire) in (0..).zip(CUTS) {
        let (key, orders) = (format!("key-{key}"), app.order_count().await);
        let order = app.place_order([(PIZZA, 2)]).idempotency_key(&key).request();
        proxy.set(wire);

        let first = app.send(&order).await;
        let again = app.send(&order).await;

        assert_eq!(first.status(), 200, "{wire:?}: {first:?}");
        assert_eq!(again.bytes(), first.bytes(), "{wire:?}");
        assert_eq!(app.order_count().await, orders + 1, "{wire:?}");
    }
}

#[tokio::test]
async fn the_same_idempotency_key_tells_the_truth_about_an_unknown_outcome() {
    let (app, proxy) = over_a_wire().await;

    for (key, wire, stored) in [
        ("committed", Wire::AnswerLostThenAway, true),
        ("lost", Wire::CommitLostThenAway, false),
    ] {
        let orders = app.order_count().await;
        let order = app.place_order([(PIZZA, 2)]).idempotency_key(key).request();
        proxy.set(wire);

        let unknown = app.send(&order).await;

        assert_eq!(unknown.error(), (503, "outcome_unknown".into()), "{wire:?}");
        proxy.set(Wire::Whole);
        let mut told = None;
        eventually("the repeated request is answered", async || {
            let answer = app.send(&order).await;
            let answered = answer.status() == 200;
            told = Some(answer);
            answered
        })
        .await;
        let told = told.unwrap().json();
        assert_eq!(told["id"] == unknown.json()["orderId"], stored, "{wire:?}");
        assert_eq!(app.order_count().await, orders + 1, "{wire:?}");
    }
}

async fn until_answered(app: &TestApp, path: &str) -> Answer {
    let mut last = None;
    eventually("the database is reached again", async || {
        let answer = app.get_as(APITEST, path).await;
        let answered = answer.status() != 503;
        last = Some(answer);
        answered
    })
    .await;
    last.unwrap()
}
