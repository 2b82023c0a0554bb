//! The program itself: addresses that cannot be used, `try-order`, SIGTERM.

use test_support::Process;

use crate::fixtures::{self, MANAGER};
use crate::harness::order_request;
use crate::running::Running;

const PROGRAM: &str = env!("CARGO_BIN_EXE_order-food");

async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> test_support::Output {
    Process::spawn(PROGRAM, arguments, environment)
        .wait_output()
        .await
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
async fn the_program_serves_tries_an_order_and_stops_on_sigterm() {
    let database = fixtures::database().await;
    let origins = ("CORS_ALLOWED_ORIGINS", "https://one.example,https://two.example");
    let program = Running::start(database.url(), &[origins]).await;
    let url = program.url();
    let try_order =
        async |arguments: &[&str]| run(&[&["try-order", "--url", &url], arguments].concat(), &[]).await;

    let tried = try_order(&["--api-key", "apitest"]).await;
    let stored = database.value("SELECT count(*) FROM orders").await;
    let walk = async |staff: &str| try_order(&["--api-key", "apitest", "--staff-key", staff]).await;
    let (walked, not_staff) = (walk(MANAGER).await, walk("apitest").await);
    let states = "SELECT string_agg(to_status, ' ' ORDER BY version) FROM order_events";
    let states = database.value(states).await;
    let refused = try_order(&["--api-key", "nobodys"]).await;
    let order = order_request(r#"{"items":[{"productId":"7","quantity":2}]}"#)
        .header("Origin", "https://two.example");
    let placed = program.send(&order).await;
    let output = program.stop().await;

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
