//! A hundred thousand dead letters; `make soak` takes them all.

use test_support::{PATIENCE, Worker, eventually, scaled};

use super::{Browser, app};
use crate::fixtures::OPERATOR;
use crate::harness::TestApp;

/// What one transaction replays.
const PIECE: usize = 5_000;

/// Waits for a number, as long as its pieces may take.
async fn until(app: &TestApp, what: &str, sql: &str, is_enough: impl Fn(usize) -> bool) -> usize {
    let deadline = std::time::Instant::now() + 10 * PATIENCE;
    loop {
        let number = app.database.value(sql).await.parse().unwrap();
        if is_enough(number) {
            return number;
        }
        assert!(std::time::Instant::now() < deadline, "{what}: {number}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_replay_by_filter_that_is_stopped_half_way_goes_on_with_the_rest_and_replays_each_once() {
    let number = scaled(100_000);
    let app = app().await;
    // As many that the filter does not match, by each of its parts; no worker knows the kinds.
    app.database
        .execute(&format!(
            "INSERT INTO job_dead (id, kind, priority, created_at, died_at, reason, attempt, rescues, timeout_ms, payload, last_error,
                min_build)
             SELECT 1000000 + n, CASE n % 6 WHEN 1 THEN 'kind.other' ELSE 'kind.wanted' END, n % 5, now(), now() - interval '1 h',
                 CASE n % 6 WHEN 3 THEN 'permanent' ELSE 'exhausted' END, 8, 0, 1000, jsonb_build_object('n', n),
                 CASE n % 6 WHEN 5 THEN 'HTTP 404' ELSE 'HTTP 503 of the receiver' END, 0
             FROM generate_series(1, 2 * {number}) AS n;
             ANALYZE job_dead;
             CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NEW; END';
             CREATE TRIGGER slow BEFORE INSERT ON operator_actions FOR EACH ROW WHEN (NEW.action = 'jobs.replay')
                 EXECUTE FUNCTION slow()"
        ))
        .await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    let worker = Worker::ready(env!("CARGO_BIN_EXE_order-food"), app.database.url(), &[]).await;
    let filter = "kind=kind.wanted&reason=exhausted&error=503";
    let (shown, word) = match number {
        10_001.. => ("10,000+".to_owned(), "all".to_owned()),
        number => (number.to_string(), number.to_string()),
    };
    let asked = browser.get(&app, &format!("/dead/all?{filter}")).await.text();
    assert!(asked.contains(&format!("All {shown} dead letters")), "{asked}");
    let begin = async || {
        let form = format!("do=replay&{filter}&word={word}");
        assert_eq!(browser.press(&app, "/dead/all", &form).await, "/dead?done=bulk");
    };
    let replayed = "SELECT count(replayed_as) FROM job_dead";

    begin().await;
    let running = "SELECT count(*) FROM job WHERE kind = 'operator.bulk' AND state = 1";
    until(&app, "it runs", running, |running| running == 1).await;
    let half = number / 2;
    until(&app, "nearly half of it is done", replayed, |replayed| {
        replayed + PIECE >= half
    })
    .await;
    let page = browser.get(&app, "/dead").await.text();
    assert!(
        page.contains("Replay dead letters kind:kind.wanted reason:exhausted error:503"),
        "{page}"
    );
    let job = app
        .database
        .value("SELECT id FROM job WHERE kind = 'operator.bulk'")
        .await;
    let stopped = browser.press(&app, &format!("/jobs/{job}/cancel"), "").await;
    assert_eq!(stopped, "/jobs?done=cancelled");
    let cancelled = "SELECT count(*) FROM job_dead WHERE kind = 'operator.bulk' AND reason = 'cancelled'";
    until(&app, "it is stopped", cancelled, |stopped| stopped == 1).await;
    let first = until(&app, "what is done stays done", replayed, |_| true).await;
    assert!(0 < first && first < number, "{first} of {number}");
    assert_eq!(first % PIECE, 0);
    let left = browser.get(&app, &format!("/dead?{filter}")).await.text();
    let rest = match number - first {
        10_001.. => "10,000+".to_owned(),
        rest => rest.to_string(),
    };
    assert!(left.contains(&format!("All {rest} dead letters")), "{left}");

    app.database
        .execute("DROP TRIGGER slow ON operator_actions")
        .await;
    begin().await;
    until(&app, "all that match are replayed", replayed, |replayed| {
        replayed == number
    })
    .await;
    eventually("the second one is done", async || {
        app.database.value(running).await == "0"
    })
    .await;

    let queued = "SELECT count(*) || ' ' || count(DISTINCT payload ->> 'n') || ' ' || count(DISTINCT kind)
                  FROM job WHERE kind LIKE 'kind.%'";
    assert_eq!(app.database.value(queued).await, format!("{number} {number} 1"));
    let twice = "SELECT count(replayed_as) - count(DISTINCT replayed_as) FROM job_dead";
    assert_eq!(app.database.value(twice).await, "0");
    let untouched = "SELECT count(*) FROM job_dead WHERE replayed_as IS NULL AND kind LIKE 'kind.%'";
    assert_eq!(app.database.value(untouched).await, number.to_string());
    let recorded = "SELECT sum((after ->> 'number')::int) FROM operator_actions WHERE action = 'jobs.replay'";
    assert_eq!(app.database.value(recorded).await, number.to_string());
    worker.stop().await;
}
