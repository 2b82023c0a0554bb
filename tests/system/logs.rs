//! Log lines: readable by machines, and without secrets.

use serde_json::Value;
use test_support::http::Request;
use test_support::{TestDatabase, json_lines};

use crate::pod::{Pod, order_request};

#[tokio::test]
async fn no_key_address_password_or_body_is_logged_at_any_level() {
    let database = TestDatabase::empty().await;
    let pod = Pod::on(&database)
        .with("LOG_LEVEL", "trace")
        .with("LOG_FORMAT", "auto")
        .with("API_KEY_HASH_KEY", "a-hash-key-that-stays-secret");
    let mut log = pod.migrate().await.stderr;
    log += &pod.load().await.stderr;
    let api = pod.serve().await;
    let note = "Leave it at 221B";

    let placed = api
        .order(format!(
            r#"{{"items":[{{"productId":"1","quantity":1}}],"couponCode":"WAFFLE24","note":"{note}"}}"#
        ))
        .await;
    let refused = api
        .order(format!(
            r#"{{"items":[{{"productId":"{note}","quantity":1}}],"couponCode":"ODDCODE99"}}"#
        ))
        .await;
    let broken = api.order(format!(r#"{{"note": "{note}", }}"#)).await;
    let unknown_key = order_request("{}").header("X-API-Key", "wrong-key-4711");
    let two_keys = api.send(&unknown_key).await;
    let read = api.get_own(&format!("/api/order/{}", placed.member("id"))).await;
    log += &api.stop().await.stderr;

    let statuses = [&placed, &refused, &broken, &two_keys, &read].map(|answer| answer.status());
    assert_eq!(statuses, [200, 422, 400, 401, 200]);
    assert!(log.lines().count() > 100, "trace says more than this: {log}");
    let (authority, _) = database.url().rsplit_once('@').unwrap();
    let password = authority.rsplit_once(':').unwrap().1;
    for secret in [
        "apitest",
        "wrong-key-4711",
        "a-hash-key-that-stays-secret",
        "kitchen@example.com",
        "customer@example.com",
        password,
        note,
        "WAFFLE24",
        "ODDCODE99",
    ] {
        let leaks: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{secret}: {leaks:#?}");
    }
    json_lines(&log);
}

fn access(log: &str) -> Vec<Value> {
    let mut lines = json_lines(log);
    lines.retain(|line| line["target"] == "access");
    lines
}

#[tokio::test]
async fn an_answer_is_one_line_by_its_status_with_the_ids_of_request_and_trace() {
    let database = TestDatabase::migrated().await;
    // A collector that is not there: spans have ids all the same.
    let pod = Pod::on(&database)
        .with("LOG_LEVEL", "info,access=debug")
        .with("JAEGER_ENDPOINT", "http://127.0.0.1:1");
    pod.load().await;
    let api = pod.serve().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    let known = Request::get("/api/product/7")
        .header("X-Request-ID", "request-1")
        .header("traceparent", traceparent);
    api.send(&known).await;
    let unsampled = Request::get("/api/product/8")
        .header("X-Request-ID", "request-2")
        .header("traceparent", traceparent.replace("-01", "-00"));
    api.send(&unsampled).await;
    let missing = api.get("/api/product/404").await;
    let log = api.stop().await.stderr;

    let access = access(&log);
    let line = |id: &str| {
        let mut found = access.iter().filter(|line| line["request_id"] == id);
        let line = found.next().unwrap_or_else(|| panic!("no line for {id}: {log}"));
        assert_eq!(found.count(), 0, "{id} stands more than once");
        line
    };
    let one = line("request-1");
    assert_eq!(
        (&one["level"], &one["method"], &one["route"], &one["status"]),
        (
            &"DEBUG".into(),
            &"GET".into(),
            &"/api/product/{productId}".into(),
            &200.into()
        )
    );
    assert!(one["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(one["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line("request-2").get("trace_id"), None);
    let made = missing.header("x-request-id").unwrap();
    assert_eq!(
        (&line(made)["level"], &line(made)["status"]),
        (&"INFO".into(), &404.into())
    );
    assert_eq!(missing.member("requestId"), made);
}

#[tokio::test]
async fn at_the_default_level_only_answers_that_are_no_success_are_logged() {
    let database = TestDatabase::migrated().await;
    let (_, api) = Pod::ready(&database).await;
    let shop_is_open = api.get("/api/product").await;
    api.get("/api/product/404").await;

    let log = api.stop().await.stderr;

    assert_eq!(shop_is_open.status(), 200);
    let mut statuses: Vec<Value> = access(&log).iter().map(|line| line["status"].clone()).collect();
    // The probe was refused until the data were read.
    statuses.retain(|status| *status != 503);
    assert_eq!(statuses, [404]);
}
