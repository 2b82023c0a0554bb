//! What the pages show, and what presses do.

use super::{Browser, app};
use crate::fixtures::{OPERATOR, VIEWER};
use crate::harness::TestApp;
use crate::storefront::safety::POLICY;

async fn insert_dead(app: &TestApp, number: u32) {
    app.database
        .execute(&format!(
            "INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, rescues, timeout_ms, payload, last_error, min_build)
             SELECT n, 'order.webhook', 1, now(), 'exhausted', 8, 0, 1000,
                 jsonb_build_object('mail', 'ann@example.org', 'secret', 'hush', 'text', '<script>alert(1)</script>'),
                 'refused <b>hard</b>', 0 FROM generate_series(1000, 999 + {number}) AS n"
        ))
        .await;
}

async fn count(app: &TestApp, what: &str) -> i64 {
    let counted = app.database.value(&format!("SELECT count(*) FROM {what}")).await;
    counted.parse().unwrap()
}

#[tokio::test]
async fn every_page_says_what_is_there_and_nothing_of_it_is_markup() {
    let app = app().await;
    insert_dead(&app, 3).await;
    app.database
        .execute(
            "INSERT INTO job (kind, priority, timeout_ms, payload, last_error)
             VALUES ('order.webhook', 1, 1000, '{\"a\": \"</pre><script>\"}', '<i>late</i>')",
        )
        .await;
    let id = app.database.value("SELECT min(id) FROM job").await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    for (path, wanted) in [
        (
            "/jobs".to_owned(),
            vec![
                "CRITICAL",
                "BULK",
                "order.webhook",
                "No worker runs",
                "&#60;i&#62;late",
            ],
        ),
        (format!("/jobs/{id}"), vec!["queued", "Run now", "Cancel"]),
        (
            "/dead".to_owned(),
            vec!["exhausted", "Replay the ticked", "All 3 dead letters"],
        ),
        (
            "/dead/1001".to_owned(),
            vec!["••••@example.org", "Failed attempts"],
        ),
        ("/webhooks".to_owned(), vec!["No endpoint"]),
        ("/sales".to_owned(), vec!["Sales are not counted yet"]),
        ("/loads".to_owned(), vec!["Migrations, newest first", "orders"]),
        ("/system".to_owned(), vec!["This replica", "Limited promotions"]),
        ("/audit".to_owned(), vec!["Nothing was done yet"]),
    ] {
        let answer = browser.get(&app, &path).await;
        let text = answer.text();
        assert_eq!(answer.status(), 200, "{path}: {text}");
        for wanted in wanted {
            assert!(text.contains(wanted), "{path} shows {wanted}: {text}");
        }
        for not in [
            "<script>",
            "hush",
            "<i>late",
            "<b>hard",
            " style=",
            " onclick=",
            "ann@example",
        ] {
            assert!(!text.contains(not), "{path} shows no {not}: {text}");
        }
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-robots-tag", "noindex"),
            ("content-security-policy", POLICY),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn pauses_and_their_ends_are_done_once_and_on_record() {
    let app = app().await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    let pause = "scope=priority%3ALOW&reason=lunch";
    assert_eq!(
        browser.press(&app, "/jobs/pause", pause).await,
        "/jobs?done=paused"
    );
    assert!(browser.get(&app, "/jobs").await.text().contains("lunch"));
    for form in [
        "scope=priority%3ANONE&reason=x",
        "scope=&reason=x",
        "scope=*",
        "scope=kind%3A'%3B--&reason=x",
        "scope=kind%3A&reason=x",
        "scope=*&reason=a%00b",
    ] {
        assert_eq!(browser.press(&app, "/jobs/pause", form).await, "422", "{form}");
    }
    for done in ["resumed", "nothing"] {
        let resume = browser.press(&app, "/jobs/resume", "scope=priority%3ALOW").await;
        assert_eq!(resume, format!("/jobs?done={done}"));
        assert_eq!(count(&app, "job_control").await, 0);
    }
    let actions = app
        .database
        .rows(
            "SELECT action, outcome, via, key_id IS NOT NULL, request_id <> '', before ->> 'reason', after ->> 'reason'
             FROM operator_actions ORDER BY id",
        )
        .await;
    assert_eq!(
        actions,
        [
            ["jobs.pause", "done", "console", "t", "t", "∅", "lunch"],
            ["jobs.resume", "done", "console", "t", "t", "lunch", "∅"],
            ["jobs.resume", "nothing to act on", "console", "t", "t", "∅", "∅"],
        ]
    );
    let csv = browser.get(&app, "/audit.csv?text=pause").await.text();
    assert_eq!(csv.lines().count(), 2, "{csv}");
}

#[tokio::test]
async fn dead_letters_are_replayed_and_purged_once_however_often_it_is_pressed() {
    let app = app().await;
    insert_dead(&app, 4).await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    for done in ["replayed", "nothing"] {
        let replay = "do=replay&id=1000&id=1001";
        let target = browser.press(&app, "/dead/change", replay).await;
        assert_eq!(target, format!("/dead?done={done}"));
        assert_eq!(count(&app, "job").await, 2);
    }
    browser.post(&app, "/dead/change", "do=purge&id=1002").await;
    assert_eq!(count(&app, "job_dead").await, 3);
    for form in ["do=purge", "do=nothing&id=1", "id=1000", "do=replay&id=x"] {
        assert_eq!(browser.press(&app, "/dead/change", form).await, "422", "{form}");
    }
    for (form, target) in [
        ("do=purge&word=1&typed=2", "422"),
        ("do=purge&word=1&typed=1", "/dead?done=bulk"),
    ] {
        assert_eq!(browser.press(&app, "/dead/all", form).await, target, "{form}");
    }
    assert_eq!(count(&app, "job WHERE kind = 'operator.bulk'").await, 1);
    assert!(browser.get(&app, "/dead").await.text().contains("no worker runs"));
}

#[tokio::test]
async fn ticked_jobs_are_made_due_and_cancelled_once_and_on_record() {
    let app = app().await;
    app.database
        .execute(
            "INSERT INTO job (kind, priority, timeout_ms, payload, run_at)
             SELECT 'kind.' || n, 3, 1000, '{\"text\": \"hush\"}', now() + interval '1 h' FROM generate_series(1, 4) AS n;
             UPDATE job SET state = 1, locked_by = gen_random_uuid() WHERE kind = 'kind.4'",
        )
        .await;
    let ids = app.database.rows("SELECT id FROM job ORDER BY id").await.concat();
    let browser = Browser::logged_in(&app, OPERATOR).await;
    let page = browser.get(&app, "/jobs").await.text();
    for id in &ids {
        assert!(page.contains(&format!("name=\"id\" value=\"{id}\"")), "{page}");
    }
    let press = async |what: &str, ids: &[String]| {
        let ids: String = ids.iter().map(|id| format!("&id={id}")).collect();
        let form = format!("do={what}{ids}");
        browser.press(&app, "/jobs/change", &form).await
    };

    assert_eq!(press("run", &ids).await, "/jobs?done=run");
    assert_eq!(count(&app, "job WHERE state = 0 AND run_at <= now()").await, 3);
    // The second and the third, backwards and twice; the running one is asked to end.
    let chosen = [&ids[2], &ids[1], &ids[2], &ids[3]].map(Clone::clone);
    assert_eq!(press("cancel", &chosen).await, "/jobs?done=cancelled");
    assert_eq!(count(&app, "job WHERE state = 0").await, 1);
    assert_eq!(count(&app, "job WHERE cancel_requested_at IS NOT NULL").await, 1);
    assert_eq!(count(&app, "job_dead WHERE reason = 'cancelled'").await, 2);
    assert_eq!(press("cancel", &ids[1..3]).await, "/jobs?done=nothing");
    for (what, ids) in [
        ("cancel", &[][..]),
        ("other", &ids),
        ("cancel", &["x".to_owned()]),
    ] {
        assert_eq!(press(what, ids).await, "422", "{what} {ids:?}");
    }

    let actions = app
        .database
        .rows("SELECT action, target, outcome, jsonb_array_length(after) FROM operator_actions ORDER BY id")
        .await;
    let target = |ids: &[String]| format!("jobs {}", ids.join(" "));
    assert_eq!(
        actions,
        [
            ["jobs.run_now", &target(&ids), "done", "3"],
            ["jobs.cancel", &target(&ids[1..]), "done", "3"],
            ["jobs.cancel", &target(&ids[1..3]), "nothing to act on", "∅"],
        ]
    );
    let recorded =
        "SELECT count(*) FROM operator_actions WHERE before::text LIKE '%hush%' OR after::text LIKE '%hush%'";
    assert_eq!(app.database.value(recorded).await, "0");
    let viewer = Browser::logged_in(&app, VIEWER).await;
    let page = viewer.get(&app, "/jobs").await.text();
    assert!(!page.contains("name=\"id\""), "{page}");
}

#[tokio::test]
async fn a_page_asks_for_older_rows_until_there_are_none() {
    let app = app().await;
    insert_dead(&app, 120).await;
    let browser = Browser::logged_in(&app, VIEWER).await;
    let (mut path, mut seen) = ("/dead?kind=order.webhook".to_owned(), 0);
    for _ in 0..5 {
        let text = browser.get(&app, &path).await.text();
        seen += text.matches("href=\"/dead/1").count();
        match text
            .split("<a href=\"")
            .find(|part| part.contains("rel=\"next\""))
        {
            Some(link) => path = link.split('"').next().unwrap().replace("&#38;", "&"),
            None => break,
        }
    }
    assert_eq!(seen, 120);
    assert!(
        !browser
            .get(&app, "/dead")
            .await
            .text()
            .contains("Replay the ticked")
    );
}
