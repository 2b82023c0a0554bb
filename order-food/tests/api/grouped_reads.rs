//! Orders that are read together: each request gets its own answer.

use std::time::Duration;

use futures_util::future::join_all;

use crate::client::Request;
use crate::fixtures::{APITEST, OTHER, PIZZA, WAFFLE};
use crate::harness::TestApp;

const NEVER: &str = "0191b3c4-0000-7000-8000-000000000000";
const LOCK: &str = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE";
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Ids of orders, and what each was answered with.
async fn placed(app: &TestApp, count: i64) -> Vec<(String, String)> {
    let mut orders = Vec::new();
    for number in 1..=count {
        let order = app.place_order([(PIZZA, number), (WAFFLE, 1)]).send().await;
        orders.push((order.member("id"), order.text()));
    }
    orders
}

#[tokio::test]
async fn readers_at_the_same_time_get_their_own_orders() {
    let app = TestApp::start().await;
    let orders = placed(&app, 20).await;
    let foreign = app.place_order([(PIZZA, 1)]).key(OTHER).accepted().await;
    let foreign = foreign["id"].as_str().unwrap();

    // Each id three times, beside a foreign order and one that never was.
    let mut reads: Vec<(&str, Option<&str>)> = Vec::new();
    for (id, text) in orders.iter().chain(&orders).chain(&orders) {
        reads.extend([(id.as_str(), Some(text.as_str())), (foreign, None), (NEVER, None)]);
    }
    let answers = join_all(
        reads
            .iter()
            .map(async |(id, expected)| (app.get_as(APITEST, &format!("/api/order/{id}")).await, expected)),
    )
    .await;

    assert_eq!(answers.len(), 180);
    for (answer, expected) in answers {
        match expected {
            Some(text) => assert_eq!((answer.status(), answer.text().as_str()), (200, *text)),
            None => assert_eq!(answer.error(), (404, "not_found".into())),
        }
    }
}

#[tokio::test]
async fn an_order_that_cannot_be_read_spoils_no_other() {
    let app = TestApp::start().await;
    let orders = placed(&app, 16).await;
    let (bad, _) = &orders[5];
    app.database
        .execute(&format!(
            "UPDATE order_items SET unit_price = 'NaN' WHERE order_id = '{bad}'"
        ))
        .await;

    for _ in 0..3 {
        let answers = join_all(
            orders
                .iter()
                .map(async |(id, text)| (id, text, app.get_as(APITEST, &format!("/api/order/{id}")).await)),
        )
        .await;
        for (id, text, answer) in answers {
            match id == bad {
                true => assert_eq!(answer.error(), (503, "unavailable".into())),
                false => assert_eq!(&answer.text(), text),
            }
        }
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_takes_no_other_along() {
    let app = TestApp::start().await;
    let orders = placed(&app, 4).await;
    let path = |at: usize| format!("/api/order/{}", orders[at].0);
    let holder = app.database.session(LOCK).await;

    // The first one has begun the statement; the second one waits for the next.
    for at in [0, 1] {
        let mut connection = app.connection().await;
        let request = Request::get(&path(at)).header("api_key", APITEST);
        let left = tokio::time::timeout(Duration::from_millis(300), connection.exchange(&request)).await;
        assert!(left.is_err(), "{at}");
        app.database.until("one statement waits", WAITING, "1").await;
    }
    let others = join_all([2, 3, 0].map(async |at| (at, app.get_as(APITEST, &path(at)).await)));
    let release = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        holder.batch_execute("ROLLBACK").await.unwrap();
    };
    let (answers, ()) = tokio::join!(others, release);

    for (at, answer) in answers {
        assert_eq!(answer.text(), orders[at].1, "{at}");
    }
}

#[tokio::test]
async fn readers_are_answered_by_the_deadline_whatever_happens_to_the_statement() {
    let app = TestApp::with(|settings| settings.order_deadline_s = 2).await;
    let orders = placed(&app, 2).await;
    let path = |at: usize| format!("/api/order/{}", orders[at].0);
    let end = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'order-food' AND wait_event_type = 'Lock'";
    let holder = app.database.session(LOCK).await;

    let began = std::time::Instant::now();
    let answers = join_all([0, 1].map(async |at| app.get_as(APITEST, &path(at)).await)).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    for answer in answers {
        assert_eq!(answer.error(), (503, "unavailable".into()));
    }

    // A session that is ended while it reads: the statement is sent again.
    let first = path(0);
    let (answer, ()) = tokio::join!(app.get_as(APITEST, &first), async {
        app.database.until("the session is ended", end, "t").await;
        holder.batch_execute("ROLLBACK").await.unwrap();
    });
    assert_eq!(answer.text(), orders[0].1);
}

#[tokio::test]
async fn readers_of_one_page_share_a_statement_and_others_do_not_wait_for_it() {
    let app = TestApp::start().await;
    let orders = placed(&app, 3).await;
    let foreign = app.place_order([(PIZZA, 1)]).key(OTHER).send().await.text();
    let mine: Vec<&str> = orders.iter().rev().map(|(_, text)| text.as_str()).collect();
    let page = |orders: &[&str]| format!("[{}]", orders.join(","));
    let [all, two, other] = [page(&mine), page(&mine[..2]), page(&[&foreign])];
    let mut reads = vec![(APITEST, "/api/order", &all); 6];
    reads.extend([
        (APITEST, "/api/order?limit=2", &two),
        (OTHER, "/api/order", &other),
    ]);
    let holder = app.database.session(LOCK).await;

    let answers = join_all(
        reads
            .iter()
            .map(async |(key, path, _)| app.get_as(key, path).await),
    );
    let release = async {
        app.database
            .until("a statement for each page", WAITING, "3")
            .await;
        // Time for more of them.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(app.database.value(WAITING).await, "3");
        holder.batch_execute("ROLLBACK").await.unwrap();
    };
    let (answers, ()) = tokio::join!(answers, release);

    for (answer, (key, path, expected)) in answers.iter().zip(&reads) {
        assert_eq!(
            (answer.status(), &answer.text()),
            (200, *expected),
            "{key} {path}"
        );
        let has_next = answer.header("link").is_some();
        assert_eq!(has_next, path.ends_with("limit=2"), "{key} {path}");
    }
}

#[tokio::test]
async fn a_page_has_every_order_that_was_answered_before_it_was_asked_for() {
    let app = TestApp::start().await;
    placed(&app, 1).await;
    let poll = async |()| {
        loop {
            assert_eq!(app.get_as(APITEST, "/api/order").await.status(), 200);
        }
    };
    let order = async {
        for _ in 0..100 {
            let (_, newest) = placed(&app, 1).await.remove(0);
            let page = app.get_as(APITEST, "/api/order").await.text();
            assert!(page.starts_with(&format!("[{newest}")), "{page}");
        }
    };
    tokio::select! {
        _ = join_all([(); 4].map(poll)) => {}
        () = order => {}
    }
}
