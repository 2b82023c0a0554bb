//! The console while the server has the rights of the role `app` alone, and the worker those of
//! `worker`: every page is shown, every action done.

use order_food::console::routes;
use test_support::{Cluster, Process, TestDatabase, Worker, binary, eventually};

use super::Browser;
use crate::client::{Connection, Request};
use crate::fixtures::{self, HASH_KEYS, OPERATOR};
use crate::harness::TestApp;

const ENDPOINT: &str = "0199f000-0000-7000-8000-000000000001";

const ROWS: &str = "
    INSERT INTO job_dead (id, kind, priority, created_at, died_at, reason, attempt, rescues, timeout_ms, payload, last_error, min_build)
    SELECT n, 'kind.unknown', 1, now(), now() - interval '1 h', 'exhausted', 8, 0, 1000, '{}', 'HTTP 503', 0
    FROM generate_series(1000, 1009) AS n;
    INSERT INTO job (kind, priority, timeout_ms, payload, run_at)
    SELECT 'kind.unknown', 3, 1000, '{}', now() + interval '1 h' FROM generate_series(1, 3);
    INSERT INTO webhook_endpoints (id, url, events)
    VALUES ('0199f000-0000-7000-8000-000000000001', 'https://hooks.invalid/orders', '{order.placed}')";

/// A ready server that logs in as `app`, and the address of its database for the other roles.
async fn restricted(exports: &str) -> (TestApp, impl Fn(&str) -> String) {
    let database = TestDatabase::empty().await.as_superuser();
    let (name, port) = (database.name().to_owned(), Cluster::shared().port());
    let url = {
        let name = name.clone();
        move |role: &str| format!("postgres://{name}_{role}:{role}@127.0.0.1:{port}/{name}")
    };
    let folder = tempfile::tempdir().unwrap();
    let mut roles = Vec::new();
    for role in ["owner", "migrator", "app", "loader", "worker", "readonly"] {
        let variable = format!("ROLE_{}", role.to_uppercase());
        if role != "owner" {
            let file = folder.path().join(role);
            std::fs::write(&file, role).unwrap();
            roles.push((format!("{variable}_PASSWORD_FILE"), file.display().to_string()));
        }
        roles.push((variable, format!("{name}_{role}")));
    }
    for (url, arguments) in [
        (database.url().to_owned(), &["roles", "apply"][..]),
        (url("migrator"), &[]),
        (database.url().to_owned(), &["roles", "check"]),
    ] {
        let roles = roles.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment: Vec<_> = roles.chain([("DATABASE_URL", url.as_str())]).collect();
        let output = Process::spawn(binary("database-migration"), arguments, &environment)
            .wait_output()
            .await;
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
    }
    fixtures::insert(&database).await;
    database.execute(ROWS).await;
    let app = TestApp::over(database, |settings| {
        settings.database = test_support::settings(&url("app"));
        settings.console.port = Some(0);
        settings.reports.location = Some(exports.to_owned());
    });
    app.server.until_ready_is(200).await;
    (app, url)
}

#[tokio::test]
async fn the_rights_of_the_app_are_enough_for_every_page_and_every_action() {
    let exports = tempfile::tempdir().unwrap();
    let (app, url) = restricted(exports.path().to_str().unwrap()).await;
    let user = "SELECT string_agg(DISTINCT usename, ' ') FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'order-food'";
    let name = app.database.name().to_owned();
    assert_eq!(app.database.value(user).await, format!("{name}_app"));
    let (order, job) = (
        app.place_order([(1, 2)]).id().await,
        app.database.value("SELECT min(id) FROM job").await,
    );
    let browser = Browser::logged_in(&app, OPERATOR).await;
    let of = |pattern: &str| match pattern.split('/').nth(1) {
        Some("orders") => pattern.replace("{id}", &order),
        Some("jobs") => pattern.replace("{id}", &job),
        Some("dead") => pattern.replace("{id}", "1000"),
        _ => pattern.replace("{id}", ENDPOINT),
    };

    for (_, pattern, _) in routes().filter(|route| route.0 == "GET") {
        let (path, expected) = match pattern {
            "/sales/export/{id}" => continue,
            "/" => ("/".to_owned(), 303),
            pattern => (of(pattern), 200),
        };
        let status = match pattern {
            "/orders/events" => {
                let request = Request::get(&path).header("Cookie", browser.cookie.as_deref().unwrap());
                let mut connection = Connection::open(app.server.console()).await;
                connection.status_alone(&request).await
            }
            _ => browser.get(&app, &path).await.status(),
        };
        assert_eq!(status, expected, "GET {path}");
    }
    let system = browser.get(&app, "/system").await.text();
    assert!(!system.contains("does not answer"), "{system}");

    let day = app.database.value("SELECT to_char(now(), 'YYYY-MM-DD')").await;
    let export = format!("from={day}&to={day}&data=orders&format=csv");
    let moved = format!("/orders/{order}?done=moved");
    let tested = format!("/webhooks/{ENDPOINT}?done=tested");
    let pause = "scope=kind%3Akind.unknown&reason=lunch";
    let ticked = format!("do=run&id={job}");
    let steps = [
        (
            "/orders/{id}",
            "to=accepted&version=1&minutes=15",
            "/orders?done=moved",
        ),
        (
            "/orders/{id}",
            "to=cancelled&version=2&reason=too_busy&note=oven&from=order",
            moved.as_str(),
        ),
        ("/jobs/pause", pause, "/jobs?done=paused"),
        ("/jobs/resume", pause, "/jobs?done=resumed"),
        ("/jobs/change", ticked.as_str(), "/jobs?done=run"),
        ("/jobs/{id}/run", "", "/jobs?done=run"),
        ("/jobs/{id}/cancel", "", "/jobs?done=cancelled"),
        ("/dead/change", "do=replay&id=1000&id=1001", "/dead?done=replayed"),
        ("/dead/change", "do=purge&id=1002", "/dead?done=purged"),
        (
            "/dead/all",
            "do=replay&kind=kind.unknown&reason=exhausted&word=8",
            "/dead?done=bulk",
        ),
        ("/webhooks/{id}/test", "", tested.as_str()),
        ("/webhooks/{id}/rotate", "", ""),
        ("/webhooks/{id}/disable", "", "/webhooks?done=changed"),
        ("/webhooks/{id}/enable", "", "/webhooks?done=changed"),
        ("/sales/export", export.as_str(), "/sales?done=exported"),
    ];
    for (pattern, form, location) in &steps {
        let answer = browser.post(&app, &of(pattern), form).await;
        let expected = if location.is_empty() { 200 } else { 303 };
        assert_eq!(answer.status(), expected, "{pattern} {form}: {}", answer.text());
        assert_eq!(
            answer.header("location").unwrap_or_default(),
            *location,
            "{pattern} {form}"
        );
    }
    let recorded = "SELECT count(*) FROM operator_actions WHERE via = 'console' AND outcome = 'done'";
    assert_eq!(app.database.value(recorded).await, steps.len().to_string());
    for (_, pattern, _) in routes().filter(|route| route.0 == "POST") {
        let is_done = steps.iter().any(|(done, ..)| *done == pattern);
        assert!(is_done || ["/login", "/logout"].contains(&pattern), "{pattern}");
    }

    let environment = [
        ("REPORT_LOCATION", exports.path().to_str().unwrap()),
        ("API_KEY_HASH_KEY", HASH_KEYS),
    ];
    let program = env!("CARGO_BIN_EXE_order-food");
    let worker = Worker::ready(program, &url("worker"), &environment).await;
    let done = "SELECT count(*) FROM job_dead WHERE kind = 'kind.unknown' AND reason = 'exhausted' AND replayed_as IS NULL";
    eventually("all are replayed", async || app.database.value(done).await == "0").await;
    let file = "SELECT coalesce(max(public_id::text), '') FROM job_result WHERE kind = 'reporting.export'";
    eventually("the export is written", async || {
        !app.database.value(file).await.is_empty()
    })
    .await;
    // A job with a result is done, and so are those whose ends are stored with it.
    let unfinished =
        "SELECT count(*) FROM job WHERE state = 1 OR kind LIKE 'report%' OR kind LIKE 'operator%'";
    eventually("nothing goes on running", async || {
        app.database.value(unfinished).await == "0"
    })
    .await;
    let file = app.database.value(file).await;
    let fetched = browser.get(&app, &format!("/sales/export/{file}")).await;
    assert_eq!(fetched.status(), 200, "{fetched:?}");
    assert!(!fetched.bytes().is_empty());
    assert!(browser.get(&app, "/jobs").await.text().contains("general"));
    worker.stop().await;

    let out = browser.post(&app, "/logout", "").await;
    assert_eq!(out.header("location"), Some("/login"), "{out:?}");
}
