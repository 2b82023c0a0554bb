//! Changes that wait at the same time go into one statement, and each is answered by itself.

use futures_util::future::join_all;
use serde_json::json;

use super::{cancel, change, placed, put};
use crate::fixtures::{APITEST, MANAGER};
use crate::harness::TestApp;

const UNKNOWN: &str = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11";

async fn orders(app: &TestApp, number: usize) -> Vec<String> {
    join_all((0..number).map(|_| placed(app))).await
}

#[tokio::test]
async fn changes_share_transactions_and_each_has_its_own_answer() {
    let app = TestApp::start().await;
    let orders = orders(&app, 40).await;
    let (own, others) = orders.split_at(4);
    let locked = app.database.as_superuser().client().await;
    locked
        .batch_execute("BEGIN; LOCK TABLE order_states IN EXCLUSIVE MODE")
        .await
        .unwrap();

    let accepted = async |order: &String| change(&app.server, order, "accepted").await;
    let stale = put(MANAGER, &own[0], &json!({"status": "accepted"})).header("If-Match", "\"7\"");
    let (answers, stale, unknown, early, taken_back, twice, unlocked) = tokio::join!(
        join_all(others.iter().map(&accepted)),
        app.send(&stale),
        change(&app.server, UNKNOWN, "accepted"),
        change(&app.server, &own[1], "picked_up"),
        async { app.send(&cancel(APITEST, &own[2])).await },
        join_all([accepted(&own[3]), accepted(&own[3])]),
        async {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            locked.batch_execute("ROLLBACK").await
        },
    );
    unlocked.unwrap();

    for (order, answer) in others.iter().zip(&answers) {
        assert_eq!((answer.status(), &answer.json()["orderId"]), (200, &json!(order)));
        assert_eq!(answer.json()["history"].as_array().map(Vec::len), Some(2));
    }
    assert_eq!(stale.error(), (412, "status_changed".into()));
    assert_eq!(unknown.status(), 404);
    assert_eq!(early.error(), (409, "transition_not_allowed".into()));
    assert_eq!(taken_back.json()["status"], "cancelled");
    let versions: Vec<_> = twice
        .iter()
        .map(|answer| (answer.status(), answer.json()["version"].clone()))
        .collect();
    assert_eq!(versions, [(200, json!(2)), (200, json!(2))]);
    let events = "SELECT count(*) || ' ' || (count(DISTINCT xmin::text) < 20) FROM order_events";
    assert_eq!(app.database.value(events).await, "38 true");
    let actions = "SELECT count(*) FROM operator_actions WHERE action = 'orders.status'";
    assert_eq!(app.database.value(actions).await, "37");
}

#[tokio::test]
async fn an_order_that_somebody_locks_holds_up_no_other() {
    let app = TestApp::start().await;
    let orders = orders(&app, 30).await;
    let (held, others) = orders.split_first().unwrap();
    assert_eq!(change(&app.server, held, "accepted").await.status(), 200);
    let locked = app.database.as_superuser().client().await;
    let lock = format!("BEGIN; SELECT FROM order_states WHERE order_id = '{held}' FOR UPDATE");
    locked.batch_execute(&lock).await.unwrap();

    let others = others.iter().map(|order| change(&app.server, order, "accepted"));
    let (waiting, others) = tokio::join!(change(&app.server, held, "preparing"), join_all(others));

    assert_eq!(waiting.error(), (503, "unavailable".into()));
    for answer in others {
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
    locked.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(change(&app.server, held, "preparing").await.status(), 200);
}
