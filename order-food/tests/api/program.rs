//! The program itself: settings that cannot be used, exit codes, the probe, SIGTERM.

use test_support::{Process, TestDatabase};

use crate::client::Connection;
use crate::fixtures::{self, HASH_KEYS, MANAGER};
use crate::harness::order_request;

const PROGRAM: &str = env!("CARGO_BIN_EXE_order-food");

async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> test_support::Output {
    Process::spawn(PROGRAM, arguments, environment)
        .wait_output()
        .await
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_exit_2_and_one_line_that_names_it() {
    let good = ("DATABASE_URL", "postgres://app:s3cret-word@127.0.0.1:1/food");

    for (environment, named) in [
        (&[good, ("PORT", "70000")][..], "PORT"),
        (&[good, ("PORT", "http")], "PORT"),
        (&[good, ("REPORT_TIMEZONE", "Mars/Olympus")], "REPORT_TIMEZONE"),
        (&[good, ("REPORT_TIMEZONE", "+02:00")], "REPORT_TIMEZONE"),
        (&[good, ("REPORT_LOCATION", "gs://bucket")], "REPORT_LOCATION"),
        (&[good, ("REPORT_LOCATION", "s3://")], "REPORT_LOCATION"),
        (
            &[good, ("EXPORT_ROWS_PER_SECOND", "-1")],
            "EXPORT_ROWS_PER_SECOND",
        ),
        (&[good, ("HTTP_WORKERS", "-1")], "HTTP_WORKERS"),
        (&[good, ("POOL_SIZE", "0")], "POOL_SIZE"),
        (&[good, ("REFRESH_INTERVAL", "0")], "REFRESH_INTERVAL"),
        (&[good, ("ENABLE_METRICS", "perhaps")], "ENABLE_METRICS"),
        (
            &[good, ("CORS_ALLOW_CREDENTIALS", "true")],
            "CORS_ALLOW_CREDENTIALS",
        ),
        (&[good, ("API_KEY_HASH_KEY", "s3cret-word")], "API_KEY_HASH_KEY"),
        (&[good, ("ENVIRONMENT", "production")], "API_KEY_HASH_KEY"),
        (
            &[("DATABASE_URL", "postgres//app:s3cret-word@nowhere")],
            "DATABASE_URL",
        ),
        (
            &[("DATABASE_URL", "mysql://app:s3cret-word@127.0.0.1/food")],
            "DATABASE_URL",
        ),
        (&[], "DATABASE_URL"),
    ] {
        let output = run(&[], environment).await;
        assert_eq!(output.code, Some(2), "{environment:?}: {output:?}");
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{output:?}");
        assert!(lines[0].contains(named), "{named}: {output:?}");
        assert!(!output.stderr.contains("s3cret-word"), "{output:?}");
    }
}

#[tokio::test]
async fn an_address_that_no_page_and_no_request_can_use_is_exit_2_at_start() {
    let trace = "CONSOLE_TRACE_URL";
    for (named, value) in [
        (trace, "https://jaeger.example/trace/"),
        (trace, "https://jaeger.example/trace/{trace-id}"),
        (trace, "https://{trace_id}.jaeger.example/"),
        (trace, "jaeger.example/trace/{trace_id}"),
        (trace, "ftp://jaeger.example/trace/{trace_id}"),
        (trace, "javascript:fetch('{trace_id}')"),
        (trace, "java\tscript:fetch('{trace_id}')"),
        (trace, "https://jaeger.example/\u{1}{trace_id}"),
        (trace, "https://jaeger.example/ {trace_id}"),
        (trace, "https://ann:s3cret-word@jaeger.example/{trace_id}"),
        ("PUBLIC_ORIGIN", "javascript:alert(1)"),
        ("PUBLIC_ORIGIN", "https://shop.example/menu"),
        ("STOREFRONT_IMAGE_HOSTS", "https://img.example.com"),
        ("STOREFRONT_IMAGE_HOSTS", "img.example.com; script-src *"),
        ("CORS_ALLOWED_ORIGINS", "shop.example"),
        ("AWS_ENDPOINT_URL", "s3.example.com"),
        ("AWS_ENDPOINT_URL", "javascript:s3"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "file:///credentials"),
        ("READ_DATABASE_URL", "mysql://app:s3cret-word@127.0.0.1/food"),
        ("READ_DATABASE_URL", "s3cret-word"),
        ("DATABASE_DIRECT_URL", "https://app:s3cret-word@127.0.0.1/food"),
        ("JAEGER_ENDPOINT", "jaeger.example:s3cret-word"),
    ] {
        let environment = [
            ("DATABASE_URL", "postgres://app@127.0.0.1:1/food"),
            ("REPORT_LOCATION", "s3://exports"),
            ("CONSOLE_PORT", "0"),
            (named, value),
        ];
        let output = run(&[], &environment).await;
        assert_eq!(output.code, Some(2), "{named}={value}: {output:?}");
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{output:?}");
        assert!(lines[0].contains(named), "{named}={value}: {output:?}");
        assert!(!output.stderr.contains("s3cret-word"), "{output:?}");
    }
}

#[tokio::test]
async fn a_typo_in_the_settings_file_is_exit_2_and_named() {
    let file = std::env::temp_dir().join(format!("order-food-typo-{}.toml", std::process::id()));
    std::fs::write(&file, "prot = 8080\n").unwrap();

    let output = run(&["--config", file.to_str().unwrap()], &[]).await;

    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    assert!(output.stderr.contains("prot"), "{output:?}");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_waited_for_and_then_exit_3() {
    let output = run(
        &[],
        &[
            ("DATABASE_URL", "postgres://app:s3cret-word@127.0.0.1:1/food"),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("WAIT_TIMEOUT", "1"),
            ("JAEGER_ENDPOINT", "none"),
        ],
    )
    .await;

    let said = output.stdout + &output.stderr;
    assert_eq!(output.code, Some(3), "{said}");
    assert_eq!(said.matches("waiting for the database").count(), 1, "{said}");
    assert!(!said.contains("s3cret-word"), "{said}");
}

#[tokio::test]
async fn a_database_that_refuses_us_is_exit_2_at_once() {
    let database = TestDatabase::migrated().await;
    let elsewhere = database.url().replace(database.name(), "no_such_database");
    let (user, host) = database.url().split_once('@').unwrap();
    let (user, _) = user.rsplit_once(':').unwrap();

    for url in [elsewhere, format!("{user}:s3cret-word@{host}")] {
        let environment = [
            ("DATABASE_URL", &*url),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("DRAIN_WAIT", "0"),
        ];
        let output = run(&[], &environment).await;
        let said = output.stdout + &output.stderr;
        assert_eq!(output.code, Some(2), "{said}");
        assert!(!said.contains("s3cret-word"), "{said}");
    }
}

#[tokio::test]
async fn the_program_serves_answers_its_probe_and_stops_on_sigterm() {
    let database = TestDatabase::migrated().await;
    fixtures::insert(&database).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let environment = [
        ("DATABASE_URL", database.url()),
        ("BIND_ADDRESS", "127.0.0.1"),
        ("PORT", &port.to_string()),
        ("DRAIN_WAIT", "0"),
        ("API_KEY_HASH_KEY", HASH_KEYS),
        ("CORS_ALLOWED_ORIGINS", "https://one.example,https://two.example"),
        ("JAEGER_ENDPOINT", "none"),
    ];
    let mut program = Process::spawn(PROGRAM, ["serve"], &environment);
    program.wait_for_text("the shop's data were read").await;

    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let healthy = run(&["health", "--url", &url("/health")], &[]).await;
    let ready = run(&["health", "--url", &url("/ready")], &[]).await;
    let by_settings = run(&["health"], &[("PORT", &*port.to_string())]).await;
    let missing = run(&["health", "--url", &url("/nowhere")], &[]).await;
    let tried = run(&["try-order", "--url", &url(""), "--api-key", "apitest"], &[]).await;
    let stored = database.value("SELECT count(*) FROM orders").await;
    let keys = ["--api-key", "apitest", "--staff-key"];
    let walk = async |staff: &str| {
        let address = url("");
        let arguments = [&["try-order", "--url", &address][..], &keys, &[staff]].concat();
        run(&arguments, &[]).await
    };
    let (walked, not_staff) = (walk(MANAGER).await, walk("apitest").await);
    let states = "SELECT string_agg(to_status, ' ' ORDER BY version) FROM order_events";
    let states = database.value(states).await;
    let refused = run(&["try-order", "--url", &url(""), "--api-key", "nobodys"], &[]).await;
    let order = order_request(r#"{"items":[{"productId":"7","quantity":2}]}"#)
        .header("Origin", "https://two.example");
    let placed = Connection::open(([127, 0, 0, 1], port).into())
        .await
        .exchange(&order)
        .await;
    program.signal("TERM");
    let output = program.wait_output().await;
    let closed = run(&["health", "--url", &url("/health")], &[]).await;
    let no_url = run(&["health", "--url", "nonsense"], &[]).await;

    assert_eq!(
        (healthy.code, healthy.stdout.trim()),
        (Some(0), r#"{"status":"healthy"}"#)
    );
    assert_eq!(
        (ready.code, by_settings.code),
        (Some(0), Some(0)),
        "{ready:?} {by_settings:?}"
    );
    assert_eq!(
        (missing.code, closed.code, no_url.code),
        (Some(1), Some(1), Some(2))
    );
    assert_eq!((tried.code, &*stored), (Some(0), "1"), "{tried:?}");
    assert!(tried.stdout.contains("was placed and read back"), "{tried:?}");
    assert_eq!(walked.code, Some(0), "{walked:?}");
    assert!(walked.stdout.contains("and picked up"), "{walked:?}");
    assert_eq!(not_staff.code, Some(1), "{not_staff:?}");
    assert_eq!(states, "accepted preparing ready picked_up");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let allowed = placed.header("access-control-allow-origin");
    assert_eq!((placed.status(), allowed), (200, Some("https://two.example")));
    assert_eq!((output.code, output.signal), (Some(0), None), "{output:?}");
}
