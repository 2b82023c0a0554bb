//! GET /api/report/sales and POST /api/report/export: who may, what is refused, what is answered.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Request};
use crate::fixtures::{ANALYST, APITEST, OPERATOR, STAFF, key_id};
use crate::harness::TestApp;

const COUNTED: &str = "
    INSERT INTO sales_watermark (time_zone, cluster, xid, as_of) VALUES ('UTC', 1, 1, '2026-03-05T10:00:00Z');
    INSERT INTO sales_daily (dimension, day, key, orders, units, gross, discounts, total) VALUES
        ('day', '2026-03-01', '2026-03-01', 2, 5, 60.10, 6.01, 54.09),
        ('day', '2026-03-03', '2026-03-03', 1, 1, 13.99, 0, 13.99),
        ('day', '2026-03-31', '2026-03-31', 1, 1, 0.05, 0, 0.05),
        ('product', '2026-03-01', '10', 1, 2, 20.98, 2.10, 18.88),
        ('product', '2026-03-01', '7', 2, 3, 39.12, 3.91, 35.21),
        ('product', '2026-03-03', '7', 1, 1, 13.99, 0, 13.99),
        ('promotion', '2026-03-01', 'SAVE10', 2, 5, 60.10, 6.01, 54.09),
        ('promotion', '2026-03-03', '', 1, 1, 13.99, 0, 13.99)";

/// A server that keeps exports in a folder.
pub(crate) async fn app_with_exports() -> (TestApp, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap().to_owned();
    let app = TestApp::with(|settings| settings.reports.location = Some(location)).await;
    (app, folder)
}

async fn sales(app: &TestApp, query: &str) -> Answer {
    app.get_as(ANALYST, &format!("/api/report/sales?{query}")).await
}

fn export(body: impl AsRef<[u8]>) -> Request {
    Request::new("POST", "/api/report/export")
        .header("api_key", ANALYST)
        .json(body)
}

#[tokio::test]
async fn sums_over_both_ends_of_a_range_come_with_the_time_that_they_are_of() {
    let app = TestApp::start().await;
    app.database.execute(COUNTED).await;

    let days = sales(&app, "from=2026-03-01&to=2026-03-31&by=day").await;
    let products = sales(&app, "from=2026-03-01&to=2026-03-03&by=product").await;
    let promotions = sales(&app, "from=2026-03-02&to=2026-03-03&by=promotion").await;

    assert_eq!(
        days.text(),
        r#"{"from":"2026-03-01","to":"2026-03-31","by":"day","asOf":"2026-03-05T10:00:00Z","rows":[{"day":"2026-03-01","orders":2,"units":5,"gross":60.10,"discounts":6.01,"total":54.09,"cancelledOrders":0,"cancelledTotal":0.00},{"day":"2026-03-03","orders":1,"units":1,"gross":13.99,"discounts":0.00,"total":13.99,"cancelledOrders":0,"cancelledTotal":0.00},{"day":"2026-03-31","orders":1,"units":1,"gross":0.05,"discounts":0.00,"total":0.05,"cancelledOrders":0,"cancelledTotal":0.00}]}"#
    );
    assert_eq!(
        products.json()["rows"],
        json!([
            {"product": "7", "orders": 3, "units": 4, "gross": 53.11, "discounts": 3.91, "total": 49.2, "cancelledOrders": 0, "cancelledTotal": 0.0},
            {"product": "10", "orders": 1, "units": 2, "gross": 20.98, "discounts": 2.1, "total": 18.88, "cancelledOrders": 0, "cancelledTotal": 0.0},
        ])
    );
    assert_eq!(
        promotions.json()["rows"],
        json!([{"promotion": null, "orders": 1, "units": 1, "gross": 13.99, "discounts": 0.0, "total": 13.99, "cancelledOrders": 0, "cancelledTotal": 0.0}])
    );
    let default = sales(&app, "from=2026-03-01&to=2026-03-31").await;
    assert_eq!(default.text(), days.text());
    let etag = days.header("etag").unwrap();
    let again = Request::get("/api/report/sales?from=2026-03-01&to=2026-03-31&by=day")
        .header("api_key", ANALYST)
        .header("If-None-Match", etag);
    assert_eq!(app.send(&again).await.status(), 304);
}

#[tokio::test]
async fn what_was_never_counted_has_no_time() {
    let app = TestApp::start().await;

    let before = sales(&app, "from=2026-03-01&to=2026-03-31&by=category")
        .await
        .json();
    app.database.execute(COUNTED).await;
    app.database
        .execute("UPDATE sales_watermark SET time_zone = 'Europe/Berlin'")
        .await;
    let elsewhere = sales(&app, "from=2026-03-01&to=2026-03-31&by=day").await.json();
    app.database
        .execute(
            "UPDATE sales_watermark SET time_zone = 'UTC';
             INSERT INTO sales_days_due VALUES ('2026-03-03', '2026-03-04T00:00:00Z'), ('2026-04-01', NULL)",
        )
        .await;
    let due = sales(&app, "from=2026-03-01&to=2026-03-31&by=day").await.json();
    let never = sales(&app, "from=2026-03-31&to=2026-04-01&by=day").await.json();

    for empty in [&before, &elsewhere] {
        assert_eq!((&empty["asOf"], &empty["rows"]), (&Value::Null, &json!([])));
    }
    assert_eq!(due["asOf"], "2026-03-04T00:00:00Z");
    assert_eq!(never["asOf"], Value::Null);
}

#[tokio::test]
async fn a_range_or_a_name_that_makes_no_sense_is_refused() {
    let app = TestApp::start().await;

    for (query, status, kind) in [
        ("to=2026-03-31&by=day", 400, "invalid_parameter"),
        ("from=2026-03-31&by=day", 400, "invalid_parameter"),
        ("from=2026-02-30&to=2026-03-31&by=day", 400, "invalid_parameter"),
        ("from=2026-03-01&to=2026-13-01&by=day", 400, "invalid_parameter"),
        ("from=2026-3-1&to=2026-03-31&by=day", 400, "invalid_parameter"),
        ("from=now&to=2026-03-31&by=day", 400, "invalid_parameter"),
        ("from=2026-03-01&to=2026-03-31&by=hour", 400, "invalid_parameter"),
        (
            "from=2026-03-01&from=2026-03-02&to=2026-03-31",
            400,
            "invalid_parameter",
        ),
        ("from=2026-03-02&to=2026-03-01&by=day", 422, "invalid_range"),
        ("from=2025-01-01&to=2026-01-02&by=day", 422, "range_too_long"),
        ("from=0001-01-01&to=9999-12-31&by=day", 422, "range_too_long"),
    ] {
        assert_eq!(sales(&app, query).await.error(), (status, kind.into()), "{query}");
    }
    for query in [
        "from=2025-01-01&to=2026-01-01&by=day",
        "from=9999-12-31&to=9999-12-31",
    ] {
        assert_eq!(sales(&app, query).await.status(), 200, "{query}");
    }
}

#[tokio::test]
async fn reports_are_for_keys_that_may_see_them() {
    let app = TestApp::start().await;
    let target = "/api/report/sales?from=2026-03-01&to=2026-03-31";

    for key in [APITEST, STAFF, OPERATOR, "unknown"] {
        assert_eq!(
            app.get_as(key, target).await.error(),
            (403, "forbidden".into()),
            "{key}"
        );
        let request = Request::new("POST", "/api/report/export").header("api_key", key);
        assert_eq!(
            app.send(&request).await.error(),
            (403, "forbidden".into()),
            "{key}"
        );
    }
    assert_eq!(app.get(target).await.error(), (401, "unauthenticated".into()));
}

#[tokio::test]
async fn an_export_that_makes_no_sense_is_refused_and_nothing_is_enqueued() {
    let (app, _folder) = app_with_exports().await;

    for (body, status, kind) in [
        ("", 400, "malformed_json"),
        ("{", 400, "malformed_json"),
        ("[]", 400, "wrong_type"),
        (r#"{"data": 1}"#, 400, "wrong_type"),
        (r#"{"data": "orders", "gzip": "yes"}"#, 400, "wrong_type"),
        ("{}", 422, "field_required"),
        (
            r#"{"data": "orders", "from": "2026-03-01", "format": "csv"}"#,
            422,
            "field_required",
        ),
        (
            r#"{"data": "users", "from": "2026-03-01", "to": "2026-03-01", "format": "csv"}"#,
            422,
            "field_invalid",
        ),
        (
            r#"{"data": "orders", "from": "2026-03-01", "to": "2026-03-01", "format": "xls"}"#,
            422,
            "field_invalid",
        ),
        (
            r#"{"data": "orders", "from": "2026-03-01", "to": "2026-02-30", "format": "csv"}"#,
            422,
            "field_invalid",
        ),
        (
            r#"{"data": "orders", "from": "2026-03-02", "to": "2026-03-01", "format": "csv"}"#,
            422,
            "invalid_range",
        ),
        (
            r#"{"data": "orders", "by": "day", "from": "2026-03-01", "to": "2026-03-01", "format": "csv"}"#,
            422,
            "field_invalid",
        ),
        (
            r#"{"data": "sales", "by": "hour", "from": "2026-03-01", "to": "2026-03-01", "format": "csv"}"#,
            422,
            "field_invalid",
        ),
    ] {
        assert_eq!(
            app.send(&export(body)).await.error(),
            (status, kind.into()),
            "{body}"
        );
    }
    assert_eq!(app.database.value("SELECT count(*) FROM job").await, "0");
}

const EXPORT: &str = r#"{"data": "orders", "from": "2026-03-01", "to": "2026-03-31", "format": "jsonl"}"#;

#[tokio::test]
async fn an_export_is_a_job_of_the_key_that_asked() {
    let (app, _folder) = app_with_exports().await;

    let answer = app.send(&export(EXPORT)).await;

    assert_eq!(answer.status(), 202);
    let job = answer.json();
    let id = job["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/api/job/{id}").as_str()));
    assert_eq!((&job["state"], &job["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!(app.get_as(ANALYST, &format!("/api/job/{id}")).await.json(), job);
    let stored = "SELECT kind, priority, api_key_id, payload -> 'gzip', payload -> 'days' ->> 'to' FROM job";
    assert_eq!(
        app.database.value(stored).await,
        format!("reporting.export|3|{}|true|2026-03-31", key_id(ANALYST))
    );
}

#[tokio::test]
async fn without_a_place_for_files_an_export_is_503() {
    let app = TestApp::start().await;

    let answer = app.send(&export(EXPORT)).await;

    assert_eq!(answer.error(), (503, "exports_not_configured".into()));
    assert_eq!(app.database.value("SELECT count(*) FROM job").await, "0");
}

#[tokio::test]
async fn a_full_queue_refuses_exports_and_says_when_to_come_again() {
    let (app, _folder) = app_with_exports().await;
    assert_eq!(app.send(&export(EXPORT)).await.status(), 202);
    app.database
        .execute(
            "INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'reporting.export', 3, 1000, '{}' FROM generate_series(1, 10000)",
        )
        .await;

    test_support::eventually("the depth was counted", async || {
        let answer = app.send(&export(EXPORT)).await;
        answer.status() == 503
            && answer.member("type") == "queue_full"
            && answer.header("retry-after") == Some("10")
    })
    .await;
}
