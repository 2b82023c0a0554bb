//! Who may see and press what: every route by every scope, and every other way in.

use order_food::console::{Right, routes};

use super::{Browser, app, app_with};
use crate::client::{Connection, Request};
use crate::fixtures::{APITEST, KITCHEN, OPERATOR, VIEWER};
use crate::harness::TestApp;

fn allows(right: Right, key: &str) -> bool {
    match right {
        Right::Nothing => true,
        Right::Session | Right::SeeOrders => true,
        Right::ManageOrders => key != VIEWER,
        Right::SeeOperations => key != KITCHEN,
        Right::Operate => key == OPERATOR,
    }
}

async fn visit(app: &TestApp, browser: &Browser, method: &str, path: &str) -> u16 {
    let path = path.replace("{id}", "1");
    match method {
        "GET" if path.ends_with("/events") => {
            let request = Request::get(&path).header("Cookie", browser.cookie.as_deref().unwrap_or(""));
            let mut connection = Connection::open(app.server.console()).await;
            connection.status_alone(&request).await
        }
        "GET" => browser.get(app, &path).await.status(),
        _ => browser.post(app, &path, "").await.status(),
    }
}

#[tokio::test]
async fn every_route_does_for_each_scope_what_the_table_says() {
    let app = app().await;
    for key in [VIEWER, KITCHEN, OPERATOR] {
        let browser = Browser::logged_in(&app, key).await;
        for (method, path, right) in routes() {
            let status = visit(&app, &browser, method, path).await;
            let refused = status == 403;
            // An empty key is refused in the page of the log-in.
            let expected = !allows(right, key) || (method, path) == ("POST", "/login");
            assert_eq!(refused, expected, "{key}: {method} {path} → {status}");
            assert!(status < 500, "{key}: {method} {path} → {status}");
        }
    }
}

#[tokio::test]
async fn without_a_session_pages_lead_to_the_log_in_and_presses_are_refused() {
    let app = app().await;
    let stranger = Browser::stranger();
    for (method, path, right) in routes().filter(|route| route.2 != Right::Nothing) {
        let status = visit(&app, &stranger, method, path).await;
        let expected = if method == "GET" { 303 } else { 403 };
        assert_eq!(status, expected, "{method} {path} {right:?}");
    }
}

#[tokio::test]
async fn a_console_that_is_read_only_changes_nothing_for_anybody() {
    let app = app_with(|settings| settings.console.read_only = true).await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    for (method, path, right) in routes() {
        let status = visit(&app, &browser, method, path).await;
        let expected = right.changes() || (method, path) == ("POST", "/login");
        assert_eq!(status == 403, expected, "{method} {path} → {status}");
    }
    let page = browser.get(&app, "/jobs").await.text();
    assert!(
        page.contains("Read only") && !page.contains("action=\"/jobs/pause\""),
        "{page}"
    );
}

#[tokio::test]
async fn another_origin_may_press_nothing() {
    let app = app().await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    for (method, path, _) in routes().filter(|route| route.0 == "POST") {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "http://elsewhere.example"),
            ("X-Nothing", "said"),
        ] {
            let request = Request::new(method, &path.replace("{id}", "1"))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header(name, value)
                .body("");
            let status = browser.send(&app, request).await.status();
            assert_eq!(status, 403, "{method} {path} with {name}: {value}");
        }
    }
}

#[tokio::test]
async fn nothing_but_forms_is_read() {
    let app = app().await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    for content_type in [
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
    ] {
        let request = Request::new("POST", "/jobs/pause")
            .header("Content-Type", content_type)
            .header("Sec-Fetch-Site", "same-origin")
            .body("scope=*&reason=x");
        let answer = browser.send(&app, request).await;
        assert_eq!(answer.status(), 415, "{content_type}: {answer:?}");
        assert!(answer.text().contains("Not done"), "{content_type}: {answer:?}");
    }
    assert_eq!(app.database.value("SELECT count(*) FROM job_control").await, "0");
}

#[tokio::test]
async fn keys_without_a_scope_of_the_console_and_forged_cookies_do_not_get_in() {
    let app = app().await;
    let long = "x".repeat(5_000);
    for (key, refusal) in [
        (APITEST, 403),
        ("no-key-at-all", 403),
        ("", 403),
        ("%00", 422),
        (&long, 403),
    ] {
        let answer = Browser::stranger()
            .post(&app, "/login", &format!("key={key}"))
            .await;
        assert_eq!(answer.status(), refusal, "{key}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let browser = Browser::logged_in(&app, VIEWER).await;
    let cookie = browser.cookie.clone().unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    let (content, signature) = value.rsplit_once('.').unwrap();
    let mut parts: Vec<&str> = content.split('.').collect();
    let later = (parts[1].parse::<i64>().unwrap() + 60).to_string();
    parts[1] = &later;
    for forged in [
        format!("{name}={}.{signature}", parts.join(".")),
        format!("{name}={content}.{}", &signature[1..]),
        format!("{name}={content}"),
        format!("{name}="),
        format!("{name}={}", "a.".repeat(2_000)),
    ] {
        let browser = Browser {
            cookie: Some(forged.clone()),
        };
        assert_eq!(browser.get(&app, "/jobs").await.status(), 303, "{forged}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_with_the_log_out() {
    let app = app_with(|settings| settings.refresh_interval_s = 1).await;
    let browser = Browser::logged_in(&app, OPERATOR).await;
    assert_eq!(browser.get(&app, "/jobs").await.status(), 200);
    let out = browser.post(&app, "/logout", "").await;
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");

    app.database
        .execute("UPDATE api_keys SET revoked_at = now()")
        .await;
    test_support::eventually("the session of a revoked key ends", async || {
        browser.get(&app, "/jobs").await.status() == 303
    })
    .await;
}

#[tokio::test]
async fn ten_tries_to_log_in_within_a_minute_are_enough() {
    let app = app().await;
    let mut refused = 0;
    // Tokens come back while the test runs: 10 in a minute.
    let last = loop {
        let answer = Browser::stranger().post(&app, "/login", "key=wrong").await;
        let wait = answer
            .header("retry-after")
            .map_or(0, |wait| wait.parse().unwrap());
        match answer.status() {
            403 if refused < 30 => refused += 1,
            // The next one might come back before the right key is sent.
            429 if wait < 4 => (),
            other => break other,
        }
    };
    assert_eq!(last, 429);
    assert!(refused >= 10, "{refused}");
    let right = Browser::stranger()
        .post(&app, "/login", &format!("key={OPERATOR}"))
        .await;
    assert_eq!(right.status(), 429);
    assert!(right.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
}

#[tokio::test]
async fn the_console_is_not_on_the_port_of_the_api_nor_the_api_on_its_own() {
    let app = app().await;
    let browser = Browser::stranger();
    for path in ["/api/product", "/metrics", "/health", "/docs"] {
        assert_eq!(browser.get(&app, path).await.status(), 404, "{path}");
    }
    let request = Request::get("/jobs");
    assert_eq!(app.send(&request).await.status(), 404);
}
