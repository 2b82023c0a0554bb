//! `order-food demo-traffic`: customers and a kitchen at a running server.

use test_support::{Output, Process, TestDatabase, eventually};

use super::app;
use crate::fixtures::{APITEST, HASH_KEYS, MANAGER};
use crate::harness::TestApp;

/// Starts it with these arguments and against this database.
fn start(url: &str, database: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
    let program = env!("CARGO_BIN_EXE_order-food");
    let keys = ["--api-key", APITEST, "--staff-key", MANAGER];
    let arguments = [&["demo-traffic", "--url", url][..], &keys, arguments].concat();
    let environment = [&[("DATABASE_URL", database)][..], environment].concat();
    Process::spawn(program, arguments, &environment)
}

fn start_at(app: &TestApp, arguments: &[&str]) -> Process {
    let url = format!("http://{}", app.server.address());
    start(&url, app.database.url(), arguments, &[])
}

/// The numbers of its last line: placed, moved, open, failing.
fn told(output: &Output) -> Vec<i64> {
    let numbers = output.stdout.split(|letter: char| !letter.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

async fn count(database: &TestDatabase, what: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {what}");
    database.value(&sql).await.parse().unwrap()
}

#[tokio::test]
async fn orders_come_are_moved_on_and_bring_jobs_that_fail_until_the_time_is_over() {
    let app = app().await;

    let output = start_at(&app, &["--rate", "40/s", "--minutes", "0.15", "--with-failures"])
        .wait_output()
        .await;

    assert_eq!(output.code, Some(0), "{output:?}");
    let [placed, moved, open, failing] = told(&output)[..] else {
        panic!("{output:?}");
    };
    assert!((20..=361).contains(&placed), "9 s at 40/s at most: {output:?}");
    assert_eq!(count(&app.database, "orders").await, placed);
    assert!(moved > 0 && open <= placed, "{output:?}");
    assert_eq!(count(&app.database, "order_events").await, moved);
    assert_eq!(failing, (placed + 9) / 10, "{output:?}");
    // Their endpoint is nobody's: a worker makes dead letters of them.
    let unknown = "job WHERE kind = 'order.webhook' AND NOT EXISTS (
        SELECT FROM webhook_endpoints WHERE id::text = payload ->> 'endpoint')";
    assert_eq!(count(&app.database, unknown).await, failing);
    let with_coupon = "orders WHERE discount > 0";
    assert!(count(&app.database, with_coupon).await > 0);
}

#[tokio::test]
async fn a_signal_ends_it_at_once_with_143_and_it_says_what_it_did() {
    let app = app().await;
    for signal in ["TERM", "INT"] {
        let before = count(&app.database, "orders").await;
        let process = start_at(&app, &["--rate", "50/s", "--minutes", "60"]);
        eventually("orders arrive", async || {
            count(&app.database, "orders").await > before + 5
        })
        .await;

        process.signal(signal);
        let asked = std::time::Instant::now();
        let output = process.wait_output().await;

        assert_eq!((output.code, output.signal), (Some(143), None), "{output:?}");
        assert!(asked.elapsed().as_secs() < 30, "{:?}", asked.elapsed());
        let placed = told(&output)[0];
        assert_eq!(
            count(&app.database, "orders").await - before,
            placed,
            "{output:?}"
        );
        assert_eq!(output.stderr, "", "{output:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words_and_nothing_is_placed() {
    let app = app().await;
    let url = format!("http://{}", app.server.address());
    let nowhere = "postgres://app:s3cret-word@127.0.0.1:1/food";
    let production = [("ENVIRONMENT", "production"), ("API_KEY_HASH_KEY", HASH_KEYS)];
    let refused = async |url: &str, arguments: &[&str], environment: &[(&str, &str)]| {
        let output = start(url, nowhere, arguments, environment).wait_output().await;
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
        assert_eq!(output.stdout, "", "{output:?}");
        assert!(!output.stderr.contains("s3cret-word"), "{output:?}");
        (output.code.unwrap(), output.stderr)
    };

    for (url, arguments, environment, code, words) in [
        (
            "http://127.0.0.1:1",
            &[][..],
            &[][..],
            1,
            "127.0.0.1:1/api/product",
        ),
        ("127.0.0.1:8080", &[], &[], 2, "--url"),
        ("https://127.0.0.1:8080", &[], &[], 2, "--url"),
        ("http://no-such-host.invalid", &[], &[], 2, "--url"),
        (&url, &["--with-failures"], &[], 3, "cannot be reached"),
        (&url, &[], &production, 2, "ENVIRONMENT says production"),
    ] {
        let (found, said) = refused(url, arguments, environment).await;
        assert_eq!(found, code, "{url} {arguments:?}: {said}");
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(app.order_count().await, 0);

    // A key that may not order, and a shop without products.
    let unknown = ["--rate", "50/s", "--api-key", "nobodys"];
    let output = Process::spawn(
        env!("CARGO_BIN_EXE_order-food"),
        [&["demo-traffic", "--url", &url][..], &unknown].concat(),
        &[("DATABASE_URL", nowhere)],
    );
    let output = output.wait_output().await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("the API key is not valid"), "{output:?}");
    app.publish("UPDATE products SET available = false").await;
    let (code, said) = refused(&url, &[], &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("there are no products"), "{said}");
    assert_eq!(app.order_count().await, 0);
}
