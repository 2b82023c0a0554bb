//! Idempotency-Key: the same request, sent again, is the same order.

mod coupons;

use futures_util::future::join_all;
use test_support::scaled;

use crate::client::{Answer, Request};
use crate::fixtures::{self, APITEST, OTHER, PIZZA, READER, key_id};
use crate::harness::{TestApp, order_request};

const KEYS: &str = "SELECT count(*) FROM idempotency_keys";
const PIZZAS: &str = r#"{"items":[{"productId":"7","quantity":2}]}"#;

fn with_key(body: &str, key: impl AsRef<[u8]>) -> Request {
    order_request(body).header("Idempotency-Key", key)
}

/// Expects the identical bytes.
fn assert_same(again: &Answer, first: &Answer) {
    assert_eq!((again.status(), again.text()), (200, first.text()));
    assert_eq!(again.header("content-type"), first.header("content-type"));
}

#[tokio::test]
async fn a_repeated_request_gets_the_identical_bytes_and_places_one_order() {
    let app = TestApp::start().await;
    let order = with_key(PIZZAS, "key");

    let first = app.send(&order).await;
    assert_eq!(first.status(), 200);
    for _ in 0..3 {
        assert_same(&app.send(&order).await, &first);
    }

    assert_eq!(app.order_count().await, 1);
    let remembered = "SELECT convert_from(response, 'UTF8'), order_id, api_key_id,
                             expires_at - created_at FROM idempotency_keys";
    let id = first.member("id");
    let expected = [first.text(), id, key_id(APITEST), "1 day".into()];
    assert_eq!(app.database.rows(remembered).await, [expected]);
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("\norders_placed_total 1\n"), "{metrics}");
    assert!(metrics.contains("\norders_answered_again_total 3\n"), "{metrics}");
}

/// An instance that keeps no answers beside one that does, as while the setting is rolled out.
#[tokio::test]
async fn an_answer_that_was_not_kept_is_made_anew_byte_for_byte_from_the_order() {
    let database = fixtures::database().await;
    database
        .execute(r#"UPDATE products SET name = E'Wa"f\\fle \u2028 \U0001F9C7', price = 0.10 WHERE id = 7"#)
        .await;
    let app = TestApp::ready_over(database.clone(), |settings| {
        settings.idempotency_keep_answers = false
    })
    .await;
    app.promotion("LIMITED").max_uses(5).insert().await;
    let keeping = TestApp::ready_over(database, |_| {}).await;
    let bodies = [
        PIZZAS,
        r#"{"items":[{"productId":"7","quantity":999},{"productId":"1","quantity":1},{"productId":"7","quantity":1}]}"#,
        r#"{"items":[{"productId":"2","quantity":3}],"couponCode":"LIMITED"}"#,
    ];

    for (number, body) in bodies.into_iter().enumerate() {
        let order = with_key(body, format!("made anew {number}"));
        let first = app.send(&order).await;
        assert_eq!(first.status(), 200, "{}", first.text());
        assert_same(&app.send(&order).await, &first);
        assert_same(&keeping.send(&order).await, &first);
        let other = with_key(
            r#"{"items":[{"productId":"3","quantity":1}]}"#,
            format!("made anew {number}"),
        );
        assert_eq!(app.send(&other).await.status(), 422);

        let order = with_key(body, format!("kept {number}"));
        let first = keeping.send(&order).await;
        assert_same(&app.send(&order).await, &first);
    }

    let kept = "SELECT count(*) FILTER (WHERE response = ''), count(*) FROM idempotency_keys";
    assert_eq!(app.database.value(kept).await, "3|6");
    assert_eq!(app.order_count().await, 6);
    // The catalogue goes on; the answer stays that of the first time.
    app.database
        .execute("UPDATE products SET name = 'Other', price = 99 WHERE id = 7")
        .await;
    assert_eq!(
        app.send(&with_key(PIZZAS, "made anew 0")).await.json()["total"],
        0.2
    );
}

#[tokio::test]
async fn every_printable_key_up_to_255_characters_is_a_key_of_its_own() {
    let app = TestApp::start().await;
    let printable: String = (b'!'..=b'~').map(char::from).collect();
    let keys = [
        "k".into(),
        "K".into(),
        "a b".into(),
        printable,
        "x".repeat(254),
        "x".repeat(255),
        "'; DROP TABLE orders; --".into(),
    ];

    for key in &keys {
        let first = app.send(&with_key(PIZZAS, key)).await;
        assert_eq!(first.status(), 200, "{key}");
        assert_same(&app.send(&with_key(PIZZAS, key)).await, &first);
    }

    assert_eq!(app.order_count().await, keys.len());
}

#[tokio::test]
async fn a_header_that_is_no_key_is_400_and_nothing_is_stored() {
    let app = TestApp::start().await;

    for key in [
        &b""[..],
        "x".repeat(256).as_bytes(),
        "caf\u{e9}".as_bytes(),
        b"\xff\xfe",
        b"a\tb",
    ] {
        app.refuses(&with_key(PIZZAS, key), 400, "invalid_idempotency_key")
            .await;
    }
    let two = with_key(PIZZAS, "one").header("Idempotency-Key", "two");
    app.refuses(&two, 400, "invalid_idempotency_key").await;
    assert_eq!(app.database.value(KEYS).await, "0");

    let twice = with_key(PIZZAS, "same").header("idempotency-key", "same");
    assert_eq!(app.send(&twice).await.status(), 200);
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused_even_if_it_means_the_same() {
    let app = TestApp::start().await;
    let first = app.send(&with_key(PIZZAS, "key")).await;
    assert_eq!(first.status(), 200);

    for body in [
        r#"{"items":[{"productId":"7","quantity":3}]}"#,
        r#"{"items":[{"productId":"7","quantity":2}] }"#,
        // Refused for itself, too; the key comes first.
        r#"{"items":[{"productId":"42","quantity":2}]}"#,
    ] {
        let answer = app.send(&with_key(body, "key")).await;
        assert_eq!(answer.error(), (422, "idempotency_key_reused".into()), "{body}");
    }

    assert_same(&app.send(&with_key(PIZZAS, "key")).await, &first);
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn keys_of_different_api_keys_never_meet() {
    let app = TestApp::start().await;
    let order = |api_key| {
        app.place_order([(PIZZA, 2)])
            .key(api_key)
            .idempotency_key("key")
            .send()
    };

    let (one, other) = (order(APITEST).await, order(OTHER).await);

    assert_eq!((one.status(), other.status()), (200, 200));
    assert_ne!(one.json()["id"], other.json()["id"]);
    assert_same(&order(APITEST).await, &one);
    assert_same(&order(OTHER).await, &other);
    assert_eq!(app.order_count().await, 2);
    assert_eq!(app.database.value(KEYS).await, "2");
}

#[tokio::test]
async fn what_was_refused_is_not_remembered() {
    let app = TestApp::start().await;
    app.promotion("NEVER").max_uses(0).insert().await;

    for (body, status) in [
        ("{", 400),
        (r#"{"items":[]}"#, 422),
        (r#"{"items":[{"productId":"42","quantity":1}]}"#, 422),
        (
            r#"{"items":[{"productId":"7","quantity":1}],"couponCode":"NOSUCHCODE"}"#,
            422,
        ),
        (
            r#"{"items":[{"productId":"7","quantity":1}],"couponCode":"NEVER"}"#,
            422,
        ),
    ] {
        assert_eq!(app.send(&with_key(body, "key")).await.status(), status, "{body}");
    }
    assert_eq!(app.database.value(KEYS).await, "0");
    assert_eq!(app.order_count().await, 0);

    assert_eq!(app.send(&with_key(PIZZAS, "key")).await.status(), 200);
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn an_expired_key_counts_as_absent_and_is_used_again() {
    let app = TestApp::start().await;
    let first = app.send(&with_key(PIZZAS, "key")).await;
    app.database
        .execute("UPDATE idempotency_keys SET expires_at = now()")
        .await;

    let body = r#"{"items":[{"productId":"3","quantity":1}]}"#;
    let second = app.send(&with_key(body, "key")).await;

    assert_eq!(second.status(), 200);
    assert_ne!(second.json()["id"], first.json()["id"]);
    assert_same(&app.send(&with_key(body, "key")).await, &second);
    let reused = app.send(&with_key(PIZZAS, "key")).await;
    assert_eq!(reused.error(), (422, "idempotency_key_reused".into()));
    assert_eq!(app.order_count().await, 2);
    assert_eq!(app.database.value(KEYS).await, "1");
    let renewed = "SELECT expires_at > now() + interval '23 hours' FROM idempotency_keys";
    assert_eq!(app.database.value(renewed).await, "t");
}

#[tokio::test]
async fn an_expired_key_does_not_answer_for_an_order_that_is_refused_by_now() {
    let app = TestApp::start().await;
    assert_eq!(app.send(&with_key(PIZZAS, "key")).await.status(), 200);
    app.database
        .execute("UPDATE idempotency_keys SET expires_at = now()")
        .await;
    app.publish("UPDATE products SET available = false WHERE id = 7")
        .await;

    let answer = app.send(&with_key(PIZZAS, "key")).await;

    assert_eq!(answer.error(), (422, "unknown_product".into()));
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn expired_keys_are_removed_and_others_stay() {
    let app = TestApp::with(|settings| settings.idempotency_sweep_s = 1).await;
    app.send(&with_key(PIZZAS, "stays")).await;
    // More than one piece.
    app.database
        .execute(
            "INSERT INTO idempotency_keys (api_key_id, key, request_hash, order_id, response, expires_at)
             SELECT gen_random_uuid(), n::text, sha256(''), gen_random_uuid(), '{}', now() - interval '1 s' * n
             FROM generate_series(0, 2500) AS n",
        )
        .await;

    app.database.until("the expired keys are gone", KEYS, "1").await;
    assert_eq!(
        app.database.value("SELECT key FROM idempotency_keys").await,
        "stays"
    );
}

#[tokio::test]
async fn of_many_requests_with_one_key_at_once_one_is_stored_and_the_others_are_told_the_same_or_409() {
    let app = TestApp::start().await;
    let order = || app.place_order([(PIZZA, 2)]).idempotency_key("key").send();

    let answers = join_all((0..scaled(1000)).map(|_| order())).await;

    let last = order().await;
    assert_eq!(last.status(), 200);
    for answer in &answers {
        match answer.status() {
            200 => assert_same(answer, &last),
            _ => assert_eq!(answer.error(), (409, "idempotency_key_in_use".into())),
        }
    }
    assert!(answers.iter().any(|answer| answer.status() == 200));
    assert_eq!(app.order_count().await, 1);
    assert_eq!(app.database.value("SELECT count(*) FROM order_items").await, "1");
}

#[tokio::test]
async fn a_client_that_may_not_place_orders_does_not_learn_whether_a_key_was_used() {
    let app = TestApp::start().await;
    app.send(&with_key(PIZZAS, "key")).await;

    for (api_key, status) in [("", 401), ("wrong", 403), (READER, 403)] {
        let order = app
            .place_order([(PIZZA, 2)])
            .key(api_key)
            .idempotency_key("key")
            .send();
        assert_eq!(order.await.status(), status, "{api_key}");
    }
    assert_eq!(app.order_count().await, 1);
}
