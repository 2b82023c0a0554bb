//! What operators look for: filters over dead letters, endpoints, exports, loads; and pages that
//! the database does not answer.

use super::{Browser, app, app_with};
use crate::fixtures::{KITCHEN, OPERATOR, VIEWER};

const DEAD: &str = "
    INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, rescues, timeout_ms, payload, last_error, min_build)
    SELECT n, CASE WHEN n % 2 = 0 THEN 'order.webhook' ELSE 'reporting.export' END, 1, now(),
        CASE WHEN n % 3 = 0 THEN 'permanent' ELSE 'exhausted' END, 8, 0, 1000, '{}', 'HTTP ' || 500 + n % 5, 0
    FROM generate_series(1000, 1029) AS n;
    INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, rescues, timeout_ms, payload, min_build)
    VALUES (2000, 'operator.bulk', 1, now(), 'cancelled', 1, 0, 1000, '{}', 0)";

#[tokio::test]
async fn all_that_match_are_counted_shown_and_asked_for_before_anything_begins() {
    let app = app().await;
    app.database.execute(DEAD).await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    for (filter, number) in [
        ("", 30),
        ("kind=order.webhook", 15),
        ("reason=permanent", 10),
        ("error=503", 6),
        ("kind=order.webhook&reason=permanent&error=500", 1),
    ] {
        let text = browser.get(&app, &format!("/dead?{filter}")).await.text();
        assert!(
            text.contains(&format!("All {number} dead letters")),
            "{filter}: {text}"
        );
        let asked = browser.get(&app, &format!("/dead/all?{filter}")).await.text();
        assert!(asked.contains(&format!("type {number}<")), "{filter}: {asked}");
        assert!(asked.contains("No worker runs"), "{asked}");
    }
    let form = "do=purge&kind=order.webhook&error=503&word=3&typed=3";
    assert_eq!(browser.press(&app, "/dead/all", form).await, "/dead?done=bulk");
    let payload = app
        .database
        .value("SELECT payload ->> 'kind' || ' ' || (payload ->> 'error') || ' ' || (payload ->> 'number') FROM job")
        .await;
    assert_eq!(payload, "order.webhook 503 3");
    let page = browser.get(&app, "/dead").await.text();
    assert!(
        page.contains("Purge dead letters kind:order.webhook error:503"),
        "{page}"
    );
    for key in [VIEWER, KITCHEN] {
        let other = Browser::logged_in(&app, key).await;
        assert_eq!(other.get(&app, "/dead/all").await.status(), 403, "{key}");
    }
}

#[tokio::test]
async fn an_endpoint_shows_what_it_was_sent_and_what_waits_for_it() {
    let app = app().await;
    let endpoint = "0199f000-0000-7000-8000-000000000001";
    let other = "0199f000-0000-7000-8000-000000000002";
    for id in [endpoint, other] {
        app.database
            .execute(&format!(
                "INSERT INTO webhook_endpoints (id, url, events) VALUES ('{id}', 'https://{id}.example/', '{{order.placed}}');
                 INSERT INTO job_result (public_id, job_id, kind, created_at, attempt, outcome, result) VALUES
                     (gen_random_uuid(), 7, 'order.webhook', now(), 1, 'done',
                      '{{\"status\": 204, \"ms\": 17, \"endpoint\": \"{id}\", \"event\": \"order.placed\"}}'),
                     (gen_random_uuid(), 8, 'order.webhook', now(), 1, 'done',
                      '{{\"error\": \"HTTP 404\", \"endpoint\": \"{id}\", \"event\": \"endpoint.test\"}}');
                 INSERT INTO job (kind, priority, timeout_ms, payload, last_error)
                 VALUES ('order.webhook', 0, 1000, '{{\"endpoint\": \"{id}\", \"event\": \"order.status_changed\"}}', 'HTTP 502')"
            ))
            .await;
    }
    let browser = Browser::logged_in(&app, VIEWER).await;

    let text = browser.get(&app, &format!("/webhooks/{endpoint}")).await.text();

    for wanted in [
        "HTTP 204 in 17 ms",
        "HTTP 404",
        "HTTP 502",
        "order.status_changed",
        "endpoint.test",
    ] {
        assert_eq!(text.matches(wanted).count(), 1, "{wanted}: {text}");
    }
    assert!(!text.contains(other) && !text.contains("Send a test"), "{text}");
    let unknown = browser
        .get(&app, "/webhooks/0199f000-0000-7000-8000-00000000000f")
        .await;
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn a_new_secret_leaves_the_former_one_for_as_long_as_the_setting_says() {
    let app = app_with(|settings| settings.webhooks.secret_overlap_s = 5_400).await;
    let endpoint = "0199f000-0000-7000-8000-000000000001";
    app.database
        .execute(&format!(
            "INSERT INTO webhook_endpoints (id, url, events) VALUES ('{endpoint}', 'https://hooks.example/', '{{order.placed}}')"
        ))
        .await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    let rotate = format!("/webhooks/{endpoint}/rotate");
    browser.post(&app, &rotate, "").await;

    let page = browser.post(&app, &rotate, "").await.text();

    assert!(
        page.contains("whsec_") && page.contains("for 1 h 30 min"),
        "{page}"
    );
    let left = "SELECT round(extract(epoch FROM expires_at - now()) / 60) FROM webhook_secrets WHERE expires_at IS NOT NULL";
    assert_eq!(app.database.value(left).await, "90");
    let recorded = "SELECT DISTINCT after ->> 'formerSecretSignsForSeconds' FROM operator_actions";
    assert_eq!(app.database.value(recorded).await, "5400");
}

#[tokio::test]
async fn loads_tell_the_age_of_the_data_and_the_command_to_go_back() {
    let app = app().await;
    app.database
        .execute(
            "INSERT INTO bootstrap_runs (id, task, profile, build, host, started_at, finished_at, outcome, exit_code, rows_added)
             VALUES (gen_random_uuid(), 'database-load', 'menu', 'b', 'h', now() - interval '3 h', now() - interval '3 h', 'changed', 0, 12),
                    (gen_random_uuid(), 'database-load', 'menu', 'b', 'h', now() - interval '2 h', now() - interval '2 h', 'failed', 1, 0);
             INSERT INTO dataset_versions (profile, datasets, fingerprint, content_sha256, hash_key_id, format, run_id, state,
                 activated_at, retired_at)
             SELECT 'menu', ARRAY['products'], sha256(''), sha256(''), 'id', 1, id, 'retired', now(), now()
             FROM bootstrap_runs WHERE outcome = 'changed' AND profile = 'menu'",
        )
        .await;
    let version = app
        .database
        .value("SELECT max(version) FROM dataset_versions")
        .await;
    let browser = Browser::logged_in(&app, VIEWER).await;

    let text = browser.get(&app, "/loads").await.text();

    for wanted in [
        "database-load plan -p menu",
        "database-load rollback -p menu --previous",
        &format!("database-load rollback -p menu --to {version}"),
        "the most is 3 h 0 min",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[tokio::test]
async fn an_export_is_begun_watched_and_fetched_on_the_page_of_sales() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().to_str().unwrap().to_owned();
    let app = app_with(|settings| settings.reports.location = Some(location)).await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    let form = "from=2026-01-01&to=2026-01-02&data=sales&format=csv";
    assert_eq!(
        browser.press(&app, "/sales/export", form).await,
        "/sales?done=exported"
    );
    app.database
        .execute("UPDATE job SET state = 1, locked_by = gen_random_uuid(), progress = '{\"rows\": 5, \"percent\": 40}'")
        .await;
    assert!(browser.get(&app, "/sales").await.text().contains("40 %"));

    let public = app.database.value("SELECT public_id FROM job").await;
    std::fs::write(folder.path().join("sales.csv.gz"), "bytes").unwrap();
    app.database
        .execute(
            "INSERT INTO job_result (public_id, job_id, kind, created_at, attempt, outcome, result)
             SELECT public_id, id, kind, created_at, 1, 'done',
                 '{\"object\": \"sales.csv.gz\", \"contentType\": \"application/gzip\", \"rows\": 5, \"bytes\": 5}' FROM job;
             DELETE FROM job",
        )
        .await;
    let page = browser.get(&app, "/sales").await.text();
    assert!(
        page.contains(&format!("href=\"/sales/export/{public}\"")),
        "{page}"
    );
    let file = browser.get(&app, &format!("/sales/export/{public}")).await;
    assert_eq!((file.status(), file.text().as_str()), (200, "bytes"));
}

#[tokio::test]
async fn a_chart_of_days_has_a_bar_for_each_day_also_for_those_without_sales() {
    let app = app().await;
    app.database
        .execute(
            "INSERT INTO sales_watermark (time_zone, cluster, xid, as_of) VALUES ('UTC', 1, 1, now());
             INSERT INTO sales_daily (dimension, day, key, orders, units, gross, discounts, total)
             SELECT dimension, day, key, 1, 1, 99999999999999.99, 0, 99999999999999.99 FROM (VALUES
                 ('day', date '2026-01-02', '2026-01-02'), ('day', '2026-01-09', '2026-01-09'),
                 ('product', '2026-01-02', '7')) AS sold (dimension, day, key)",
        )
        .await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    for (query, bars, told) in [
        ("from=2026-01-01&to=2026-01-10", 10, "2026-01-05: 0.00"),
        ("from=2026-01-09&to=2026-01-09", 1, "99999999999999.99"),
        (
            "from=2026-01-01&to=2026-01-10&by=product",
            1,
            "7: 99999999999999.99",
        ),
        (
            "from=2026-02-01&to=2026-02-10",
            0,
            "Nothing was sold in these days",
        ),
    ] {
        let page = browser.get(&app, &format!("/sales?{query}")).await.text();
        assert_eq!(page.matches("<rect").count(), bars, "{query}: {page}");
        assert!(page.contains(told), "{query}: {page}");
    }
}

#[tokio::test]
async fn a_page_that_the_database_does_not_answer_says_so_within_seconds_and_system_is_shown() {
    let app = app().await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    let holder = app
        .database
        .session("BEGIN; LOCK TABLE job, orders IN ACCESS EXCLUSIVE MODE")
        .await;
    for path in ["/jobs", "/orders", "/system"] {
        let began = std::time::Instant::now();
        let page = browser.get(&app, path).await;
        assert!(began.elapsed().as_secs() < 5, "{path}: {:?}", began.elapsed());
        assert_eq!(page.status(), if path == "/system" { 200 } else { 503 }, "{path}");
        let text = page.text();
        assert!(
            text.contains("within 2 seconds") && text.contains("aria-current=\"page\""),
            "{path}: {text}"
        );
    }
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(browser.get(&app, "/jobs").await.status(), 200);
}

#[tokio::test]
async fn orders_from_before_the_window_are_told_of_and_kept_off_the_board() {
    let app = app().await;
    let old = "01943b60-fec0-7000-8000-000000000001";
    let young = app.place_order([(1, 2)]).id().await;
    app.database
        .execute(&format!(
            "INSERT INTO orders (id, created_at, api_key_id, subtotal, discount, total)
             SELECT '{old}', '2025-01-06', api_key_id, subtotal, discount, total FROM orders;
             INSERT INTO order_items SELECT '{old}', line, product_id, product_name, category, unit_price, quantity FROM order_items;
             INSERT INTO order_states (order_id, status, version) VALUES ('{old}', 'preparing', 3)"
        ))
        .await;
    let browser = Browser::logged_in(&app, KITCHEN).await;

    let board = browser.get(&app, "/orders").await.text();
    assert!(board.contains(&young) && !board.contains(old), "{board}");
    assert!(board.contains("1 older order was left open"), "{board}");
    let left = browser.get(&app, "/orders?old=1").await.text();
    assert!(!left.contains(&young) && left.contains(old), "{left}");
    let path = format!("/orders/{old}");
    let done = browser.press(&app, &path, "to=ready&version=3&from=order").await;
    assert_eq!(done, format!("{path}?done=moved"));
}

#[tokio::test]
async fn what_this_replica_refused_is_told() {
    let app = app().await;
    let refused = app.place_order([(999, 1)]).send().await;
    assert_eq!(refused.status(), 422);
    let browser = Browser::logged_in(&app, VIEWER).await;

    let text = browser.get(&app, "/system").await.text();

    let kind = refused.json()["type"].as_str().unwrap().to_owned();
    let rows = text.rsplit("The last 50 orders").next().unwrap();
    assert!(rows.contains(&format!("<td>{kind}</td>")), "{text}");
}
