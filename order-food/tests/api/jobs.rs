//! GET and DELETE /api/job/{id} and its result: only for the key that started it, and operators.

use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::fixtures::{ANALYST, APITEST, OPERATOR, READER, SECOND_ANALYST, key_id};
use crate::harness::TestApp;
use crate::reports::app_with_exports;

const ID: &str = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11";

async fn with_job(columns: &str, values: &str) -> (TestApp, tempfile::TempDir) {
    let (app, folder) = app_with_exports().await;
    let owner = key_id(ANALYST);
    app.database
        .execute(&format!(
            "INSERT INTO job (kind, priority, timeout_ms, payload, public_id, api_key_id{columns})
             VALUES ('reporting.export', 3, 1000, '{{}}', '{ID}', '{owner}'{values})"
        ))
        .await;
    (app, folder)
}

/// A job that is done, with a result of this JSON.
async fn with_result(result: Value) -> (TestApp, tempfile::TempDir) {
    let (app, folder) = with_job("", "").await;
    app.database
        .execute(&format!(
            "INSERT INTO job_result (public_id, job_id, kind, api_key_id, created_at, attempt, outcome, progress, result)
             SELECT public_id, id, kind, api_key_id, created_at, 1, 'done', '{{\"rows\": 2, \"percent\": 100}}', '{result}'
             FROM job; DELETE FROM job"
        ))
        .await;
    (app, folder)
}

async fn delete(app: &TestApp, key: &str) -> Answer {
    let request = Request::new("DELETE", &format!("/api/job/{ID}")).header("api_key", key);
    app.send(&request).await
}

#[tokio::test]
async fn a_job_is_shown_to_its_key_and_to_operators_and_hidden_from_everybody_else() {
    let (app, _folder) = with_job("", "").await;
    let (job, result) = (format!("/api/job/{ID}"), format!("/api/job/{ID}/result"));

    for (key, status) in [
        (ANALYST, 200),
        (OPERATOR, 200),
        (SECOND_ANALYST, 404),
        (APITEST, 404),
        (READER, 404),
    ] {
        assert_eq!(app.get_as(key, &job).await.status(), status, "{key}");
        let result = app.get_as(key, &result).await;
        assert_eq!(result.status(), if status == 200 { 409 } else { 404 }, "{key}");
    }
    for key in [SECOND_ANALYST, APITEST] {
        assert_eq!(
            delete(&app, key).await.error(),
            (404, "not_found".into()),
            "{key}"
        );
    }
    let hidden = app.get_as(APITEST, &job).await.json();
    let absent = app.get_as(APITEST, &job.replace("3a11", "3a12")).await.json();
    assert_eq!(
        (&hidden["type"], &hidden["message"]),
        (&absent["type"], &absent["message"])
    );
    assert_eq!(app.get(&job).await.error(), (401, "unauthenticated".into()));
    let upper = app.get_as(ANALYST, "/api/job/not-a-uuid").await;
    assert_eq!(upper.error(), (400, "invalid_job_id".into()));
    assert_eq!(app.database.value("SELECT count(*) FROM job").await, "1");
}

#[tokio::test]
async fn a_job_that_waits_is_cancelled_at_once_and_that_is_recorded() {
    let (app, _folder) = with_job("", "").await;

    let answer = delete(&app, ANALYST).await;

    assert_eq!(
        (answer.status(), &answer.json()["state"]),
        (200, &json!("cancelled"))
    );
    assert_eq!(
        app.get_as(ANALYST, &format!("/api/job/{ID}")).await.json()["state"],
        "cancelled"
    );
    assert_eq!(delete(&app, OPERATOR).await.status(), 200);
    let dead = "SELECT reason, (SELECT count(*) FROM job) FROM job_dead";
    assert_eq!(app.database.value(dead).await, "cancelled|0");
    let recorded = "SELECT key_id, via, action, target, outcome FROM operator_actions";
    assert_eq!(
        app.database.value(recorded).await,
        format!("{}|api|jobs.cancel|job {ID}|done", key_id(ANALYST))
    );
}

#[tokio::test]
async fn a_job_that_runs_is_asked_to_end() {
    let (app, _folder) = with_job(
        ", state, locked_by, locked_at, attempt, progress",
        ", 1, gen_random_uuid(), now(), 2, '{\"rows\": 17, \"percent\": 3}'",
    )
    .await;

    let answer = delete(&app, OPERATOR).await;

    let job = answer.json();
    assert_eq!((answer.status(), &job["state"]), (202, &json!("running")));
    assert_eq!(
        (&job["attempts"], &job["cancelRequested"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(job["progress"], json!({"rows": 17, "percent": 3}));
    let asked = "SELECT cancel_requested_at IS NOT NULL FROM job";
    assert_eq!(app.database.value(asked).await, "t");
}

#[tokio::test]
async fn the_file_of_a_job_that_is_done_is_its_result() {
    let result =
        json!({"object": "a b.csv", "contentType": "text/csv; charset=utf-8", "rows": 2, "bytes": 9});
    let (app, folder) = with_result(result).await;
    let file = folder.path().join("a b.csv");
    std::fs::write(&file, "x\r\n1\r\n2\r\n").unwrap();

    let job = app.get_as(ANALYST, &format!("/api/job/{ID}")).await.json();
    let href = job["result"]["href"].as_str().unwrap();
    let fetched = app.get_as(ANALYST, href).await;

    assert_eq!(job["state"], "done");
    assert_eq!(
        job["result"],
        json!({"href": format!("/api/job/{ID}/result"), "name": "a b.csv", "rows": 2, "bytes": 9})
    );
    assert_eq!(
        (fetched.status(), fetched.text().as_str()),
        (200, "x\r\n1\r\n2\r\n")
    );
    assert_eq!(fetched.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(
        fetched.header("content-disposition"),
        Some("attachment; filename=\"a b.csv\"")
    );
    assert_eq!(delete(&app, ANALYST).await.error(), (409, "job_ended".into()));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(app.get_as(ANALYST, href).await.error(), (404, "not_found".into()));
}

#[tokio::test]
async fn a_file_in_a_bucket_is_an_address_that_is_good_for_5_minutes() {
    let app = TestApp::with(|settings| {
        settings.reports.location = Some("s3://reports/exports".into());
        settings.reports.s3.endpoint = Some("http://127.0.0.1:1".into());
        settings.reports.s3.access_key_id = Some("the-access-key".to_owned().into());
        settings.reports.s3.secret_access_key = Some("the-secret".to_owned().into());
    })
    .await;
    app.database
        .execute(&format!(
            "INSERT INTO job_result (public_id, job_id, kind, api_key_id, created_at, attempt, outcome, result)
             VALUES ('{ID}', 1, 'reporting.export', '{}', now(), 1, 'done',
                 '{{\"object\": \"a.csv.gz\", \"contentType\": \"application/gzip\", \"rows\": 2, \"bytes\": 9}}')",
            key_id(ANALYST)
        ))
        .await;

    let answer = app.get_as(ANALYST, &format!("/api/job/{ID}/result")).await;

    let url = answer.header("location").unwrap();
    assert_eq!(answer.status(), 302);
    assert!(
        url.starts_with("http://127.0.0.1:1/reports/exports/a.csv.gz?"),
        "{url}"
    );
    assert!(
        url.contains("X-Amz-Expires=300&") && url.contains("X-Amz-Signature="),
        "{url}"
    );
    assert!(!url.contains("the-secret"), "{url}");
}

#[tokio::test]
async fn a_job_that_was_given_up_is_failed_and_tells_no_cause() {
    let (app, _folder) = with_job("", "").await;
    app.database
        .execute(
            "INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, rescues, timeout_ms, payload, last_error,
                 api_key_id, public_id, min_build)
             SELECT id, kind, priority, created_at, 'exhausted', 3, 0, timeout_ms, payload, 'password of db.internal',
                 api_key_id, public_id, 0 FROM job; DELETE FROM job",
        )
        .await;

    let job = app.get_as(ANALYST, &format!("/api/job/{ID}")).await;

    assert_eq!(
        (&job.json()["state"], &job.json()["attempts"]),
        (&json!("failed"), &json!(3))
    );
    assert!(!job.text().contains("db.internal"), "{}", job.text());
    assert_eq!(
        app.get_as(ANALYST, &format!("/api/job/{ID}/result"))
            .await
            .error(),
        (409, "no_result".into())
    );
}
