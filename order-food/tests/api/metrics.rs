//! `/metrics` through a real parser.

use std::collections::BTreeSet;

use prometheus_parse::{Sample, Scrape, Value};
use test_support::{TestDatabase, eventually};

use crate::client::Request;
use crate::fixtures::{APITEST, PIZZA};
use crate::harness::TestApp;

async fn scrape(app: &TestApp) -> Scrape {
    let answer = app.get("/metrics").await;
    let content_type = answer.header("content-type").unwrap_or_default();
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    // The parser takes no brace within a label's value, which the format allows.
    let text = answer
        .text()
        .replace("{productId}", ":productId")
        .replace("{orderId}", ":orderId");
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

/// The only sample with this name whose labels include these.
fn sample<'a>(scrape: &'a Scrape, name: &str, labels: &[(&str, &str)]) -> Option<&'a Sample> {
    let labeled = |sample: &&Sample| {
        sample.metric == name
            && labels
                .iter()
                .all(|(label, value)| sample.labels.get(label) == Some(value))
    };
    let mut found = scrape.samples.iter().filter(labeled);
    let first = found.next();
    assert!(found.next().is_none(), "more than one {name} {labels:?}");
    first
}

fn value(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> f64 {
    let sample = sample(scrape, name, labels).unwrap_or_else(|| panic!("no {name} {labels:?}"));
    match &sample.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => *value,
        Value::Histogram(buckets) => buckets.last().unwrap().count,
        Value::Summary(_) => panic!("a summary"),
    }
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status() {
    let app = TestApp::start().await;
    let request = |method: &str, target: &str| Request::new(method, target);

    for id in 1..=3 {
        app.get(&format!("/api/product/{id}")).await;
    }
    app.get("/api/product/99").await;
    app.send(&request("PUT", "/api/product")).await;
    app.send(&request("BREW", "/api/product/")).await;
    app.send(&request("MILK", "/nowhere/else")).await;
    app.get("/nowhere").await;
    app.get("/api/nowhere").await;
    app.place_order([(PIZZA, 1)]).accepted().await;
    app.get_as(APITEST, "/api/order/nonsense").await;

    let scrape = scrape(&app).await;
    for (endpoint, method, status, count) in [
        ("/api/product/:productId", "GET", "200", 3.0),
        ("/api/product/:productId", "GET", "404", 1.0),
        ("/api/product", "PUT", "405", 1.0),
        ("/api/product", "other", "405", 1.0),
        ("other", "other", "404", 1.0),
        ("other", "GET", "404", 2.0),
        ("/api/order", "POST", "200", 1.0),
        ("/api/order/:orderId", "GET", "400", 1.0),
    ] {
        let labels = [("endpoint", endpoint), ("method", method), ("status", status)];
        for name in ["http_requests_total", "http_requests_duration_seconds"] {
            assert_eq!(value(&scrape, name, &labels), count, "{name} {labels:?}");
        }
    }
}

#[tokio::test]
async fn no_client_can_make_new_labels() {
    let app = TestApp::start().await;
    for n in 0..20 {
        let origin = Request::get(&format!("/p{n}")).header("Origin", format!("https://o{n}"));
        app.send(&origin).await;
        let preflight = Request::new("OPTIONS", &format!("/q{n}"))
            .header("Origin", "https://o")
            .header("Access-Control-Request-Method", "GET");
        app.send(&preflight).await;
        app.send(&Request::new(&format!("METHOD{n}"), &format!("/r{n}")))
            .await;
        app.send(&Request::get(&format!("/s{n}")).header("X-Large", "x".repeat(9_000)))
            .await;
        app.place_order([(PIZZA, 1)])
            .coupon(format!("CODE{n}"))
            .send()
            .await;
        app.place_order([(PIZZA, 1)]).key(&format!("key{n}")).send().await;
    }

    let scrape = scrape(&app).await;

    let mut values: BTreeSet<&str> = BTreeSet::new();
    for sample in &scrape.samples {
        assert!(sample.labels.get("job").is_none() && sample.labels.get("instance").is_none());
        values.extend(sample.labels.values().map(String::as_str));
    }
    let known = "/api/order /metrics /ready GET OPTIONS POST api_keys bulk coupon_unknown critical database-load \
                 database-migration default high idle internal limited low manual max other outcome_unknown primary \
                 products promotions unavailable unlimited used waiting";
    let known: Vec<&str> = known.split_whitespace().collect();
    let numbers = |value: &&str| value.bytes().all(|byte| byte.is_ascii_digit());
    values.retain(|value| !numbers(value) && !known.contains(value));
    assert!(values.is_empty(), "{values:?}");
}

#[tokio::test]
async fn durations_and_sizes_are_histograms_with_the_agreed_buckets() {
    let app = TestApp::start().await;
    let body = app.get("/api/product/1").await.bytes().len();

    let scrape = scrape(&app).await;

    let labels = [("endpoint", "/api/product/:productId"), ("status", "200")];
    let Value::Histogram(buckets) = &sample(&scrape, "http_requests_duration_seconds", &labels)
        .unwrap()
        .value
    else {
        panic!("a histogram expected");
    };
    let bounds: Vec<f64> = buckets.iter().map(|bucket| bucket.less_than).collect();
    assert_eq!(
        bounds,
        [
            0.005,
            0.01,
            0.025,
            0.05,
            0.1,
            0.25,
            0.5,
            1.0,
            2.5,
            5.0,
            10.0,
            f64::INFINITY
        ]
    );
    assert!(value(&scrape, "http_response_size_bytes_sum", &[]) >= f64::from(u32::try_from(body).unwrap()));
    assert!(value(&scrape, "http_request_size_bytes", &[]) >= 2.0);
    assert_eq!(value(&scrape, "http_requests_active", &[]), 1.0);
}

#[tokio::test]
async fn orders_are_counted_with_what_they_brought() {
    let app = TestApp::start().await;
    app.promotion("JUSTONE").max_uses(1).insert().await;
    app.place_order([(PIZZA, 2)]).coupon("FIFTYOFF").accepted().await;
    app.place_order([(PIZZA, 1)]).coupon("JUSTONE").accepted().await;
    for (product, coupon) in [
        (PIZZA, "JUSTONE"),
        (PIZZA, "NOSUCHCODE"),
        (42, "SAVE10"),
        (42, ""),
    ] {
        app.place_order([(product, 1)]).coupon(coupon).send().await;
    }

    for _ in 0..3 {
        app.place_order([(PIZZA, 1)])
            .idempotency_key("key")
            .accepted()
            .await;
    }

    let scrape = scrape(&app).await;

    for (name, expected) in [
        ("orders_placed_total", 3.0),
        ("orders_answered_again_total", 2.0),
        ("orders_revenue_cents_total", 1399.0 + 1259.0 + 1399.0),
        ("orders_discount_cents_total", 1399.0 + 140.0),
        // One after the other: batches of one, of which three stored nothing.
        ("order_commit_seconds", 6.0),
        ("order_batch_size", 6.0),
        ("order_batch_size_sum", 6.0),
        ("event_streams", 0.0),
        ("event_streams_refused_total", 0.0),
        ("order_queue_length", 0.0),
        ("order_queue_full_total", 0.0),
        ("order_batch_splits_total", 0.0),
        ("order_resubmissions_total", 0.0),
    ] {
        assert_eq!(value(&scrape, name, &[]), expected, "{name}");
    }
    for (reason, count) in [
        ("coupon_sold_out", 1.0),
        ("coupon_unknown", 1.0),
        ("unknown_product", 2.0),
        // There before the first one, which would else be no increase.
        ("internal", 0.0),
        ("outcome_unknown", 0.0),
        ("unavailable", 0.0),
    ] {
        assert_eq!(
            value(&scrape, "orders_refused_total", &[("reason", reason)]),
            count,
            "{reason}"
        );
    }
}

#[tokio::test]
async fn pool_data_and_start_up_runs_are_shown() {
    let app = TestApp::start().await;
    app.get_as(APITEST, "/api/order").await;

    let scrape = scrape(&app).await;

    let state = |state| value(&scrape, "database_pool_connections", &[("state", state)]);
    assert_eq!((state("used"), state("waiting"), state("max")), (0.0, 0.0, 10.0));
    assert!(state("idle") >= 1.0);
    assert_eq!(value(&scrape, "database_up", &[]), 1.0);
    assert_eq!(value(&scrape, "catalogue_products", &[]), 10.0);
    assert_eq!(value(&scrape, "order_partitions_ahead", &[]), 3.0);
    // The fixtures: loaded 17 s ago, failed after 1 s since.
    let (age, changed) = (
        value(&scrape, "dataset_age_seconds", &[]),
        value(&scrape, "dataset_changed_seconds", &[]),
    );
    assert!(
        (17.0..60.0).contains(&age) && (17.0..60.0).contains(&changed),
        "{age} {changed}"
    );
    for (task, success, durations, ages, failures) in [
        ("database-migration", 1.0, 0.0..60.0, 0.0..3_600.0, 0.0),
        ("database-load", 0.0, 1.0..1.1, 8.0..51.0, 1.0),
    ] {
        let of = |name| value(&scrape, name, &[("task", task)]);
        assert!(ages.contains(&of("bootstrap_last_run_age_seconds")), "{task}");
        assert_eq!(of("bootstrap_running_seconds"), 0.0, "{task}");
        assert_eq!(of("bootstrap_lost_runs"), 0.0, "{task}");
        assert_eq!(of("bootstrap_last_run_success"), success, "{task}");
        assert!(
            durations.contains(&of("bootstrap_last_run_duration_seconds")),
            "{task}"
        );
        assert_eq!(of("bootstrap_consecutive_failures"), failures, "{task}");
    }
}

#[tokio::test]
async fn failures_are_counted_for_what_started_the_runs() {
    let app = TestApp::with(|settings| settings.refresh_interval_s = 1).await;
    let insert = "INSERT INTO bootstrap_runs (id, task, trigger, started_at, finished_at, outcome, exit_code, build, host)
        SELECT gen_random_uuid(), 'database-load', trigger, now() - begun, now() - begun, outcome, code, 'test', 'test'
        FROM (VALUES
            ('cronjob', interval '7 s', 'changed', 0), ('cronjob', interval '6 s', 'failed', 6),
            ('cronjob', interval '5 s', 'failed', 6), ('init', interval '4 s', 'failed', 10),
            ('init', interval '3 s', 'unchanged', 0), ('job', interval '2 s', 'failed', 2)
        ) AS run (trigger, begun, outcome, code)";
    app.database.execute(insert).await;

    eventually("each trigger has its count", async || {
        let scrape = scrape(&app).await;
        let failures = |trigger| {
            let labels = [("task", "database-load"), ("trigger", trigger)];
            let name = "bootstrap_consecutive_failures";
            sample(&scrape, name, &labels).map(|_| value(&scrape, name, &labels))
        };
        ["cronjob", "init", "job", "manual"].map(failures) == [2.0, 0.0, 1.0, 1.0].map(Some)
    })
    .await;
    assert_eq!(
        value(&scrape(&app).await, "dataset_max_age_seconds", &[]),
        43_200.0
    );
    // The success of an init container is a comparison with the sources, too.
    assert!(value(&scrape(&app).await, "dataset_age_seconds", &[]) < 15.0);
}

/// A run of database-load: id, command, begun and last heard of so many seconds ago, outcome, and
/// the exit code of what is finished.
type Run = (u8, &'static str, u16, u16, &'static str, Option<u8>);

async fn insert(app: &TestApp, runs: &[Run]) {
    for (id, command, begun, heard, outcome, exit_code) in runs {
        let exit_code = exit_code.map_or("NULL".into(), |code| code.to_string());
        let insert = format!(
            "INSERT INTO bootstrap_runs (id, task, command, started_at, heartbeat_at, finished_at, outcome, exit_code, build, host)
             SELECT '00000000-0000-7000-8000-0000000000{id}', 'database-load', '{command}', now() - interval '{begun} s',
                    now() - interval '{heard} s', CASE WHEN {exit_code} IS NOT NULL THEN now() - interval '{heard} s' END,
                    '{outcome}', {exit_code}, 'test', 'test'"
        );
        app.database.execute(&insert).await;
    }
    app.database.execute("NOTIFY dataset_published").await;
}

/// Waits until the run metric of database-load is in the range.
async fn until_load(app: &TestApp, name: &str, range: std::ops::Range<f64>) {
    eventually(&format!("{name} is in {range:?}"), async || {
        let found = value(&scrape(app).await, name, &[("task", "database-load")]);
        range.contains(&found)
    })
    .await;
}

#[tokio::test]
async fn a_run_that_goes_on_is_shown_with_its_time_and_a_silent_one_as_lost_until_the_next_success() {
    let app = TestApp::with(|settings| settings.refresh_interval_s = 1).await;

    insert(&app, &[(20, "run", 7, 1, "running", None)]).await;
    until_load(&app, "bootstrap_running_seconds", 7.0..60.0).await;
    until_load(&app, "bootstrap_lost_runs", 0.0..1.0).await;

    // Before the last success no failure counts; prunings and rollbacks are missed as well.
    insert(
        &app,
        &[
            (21, "run", 400, 390, "running", None),
            (22, "run", 300, 299, "unchanged", Some(0)),
            (23, "run", 200, 100, "running", None),
            (24, "rollback", 200, 100, "running", None),
        ],
    )
    .await;
    app.database
        .execute("UPDATE bootstrap_runs SET started_at = now() - interval '250 s' WHERE outcome = 'changed'")
        .await;
    until_load(&app, "bootstrap_lost_runs", 2.0..2.5).await;
    until_load(&app, "bootstrap_running_seconds", 7.0..60.0).await;

    insert(&app, &[(25, "run", 1, 0, "unchanged", Some(0))]).await;
    app.database
        .execute("DELETE FROM bootstrap_runs WHERE id::text LIKE '%20'")
        .await;
    until_load(&app, "bootstrap_lost_runs", 0.0..1.0).await;
    until_load(&app, "bootstrap_running_seconds", 0.0..0.1).await;
}

#[tokio::test]
async fn ages_of_data_are_absent_until_there_are_data() {
    let app = TestApp::over(TestDatabase::migrated().await, |_| ());
    eventually("the database answers", async || {
        value(&scrape(&app).await, "database_up", &[]) == 1.0
    })
    .await;

    let scrape = scrape(&app).await;

    for name in ["dataset_age_seconds", "dataset_changed_seconds"] {
        assert!(sample(&scrape, name, &[]).is_none(), "{name}");
    }
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let app = TestApp::with(|settings| settings.enable_metrics = false).await;

    assert_eq!(app.get("/metrics").await.error(), (404, "not_found".into()));
    app.place_order([(PIZZA, 1)]).accepted().await;
}
