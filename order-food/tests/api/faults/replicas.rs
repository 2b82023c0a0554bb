//! Two servers on one database.

use futures_util::future::join_all;
use test_support::scaled;

use crate::client::Answer;
use crate::fixtures::PIZZA;
use crate::harness::{Server, TestApp, settings};

/// A second server on the database of `app`.
pub(super) async fn replica_of(app: &TestApp) -> Server {
    replica_with(app, 1).await
}

async fn replica_with(app: &TestApp, connections: usize) -> Server {
    let mut settings = settings(app.database.settings());
    settings.writer_connections_min = connections;
    let server = Server::start(settings);
    server.until_ready_is(200).await;
    server
}

/// A server whose writer has so many connections for either kind of orders.
async fn app_with(connections: usize) -> TestApp {
    let app = TestApp::with(|settings| settings.writer_connections_min = connections).await;
    app.server.until_writer_has(connections).await;
    app
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status() == status).count()
}

#[tokio::test]
async fn the_last_uses_of_a_promotion_are_given_to_exactly_as_many_orders() {
    last_uses(1).await;
}

#[tokio::test]
async fn the_last_uses_of_a_promotion_are_given_once_over_eight_connections() {
    last_uses(8).await;
}

async fn last_uses(connections: usize) {
    let app = app_with(connections).await;
    let uses = 60;
    app.promotion("RACE").max_uses(uses).insert().await;
    let other = replica_with(&app, connections).await;
    let servers = [&app.server, &other];

    // Every third repeats a key of its own later.
    let order = |n: usize| {
        let order = servers[n % 2].place_order([(PIZZA, 2)]).coupon("RACE");
        match n % 3 {
            0 => order.idempotency_key(&format!("key-{n}")),
            _ => order,
        }
    };
    let answers = join_all((0..150).map(|n| order(n).send())).await;

    let uses = uses as usize;
    assert_eq!(count(&answers, 200), uses);
    assert_eq!(count(&answers, 422), 150 - uses);
    assert!(
        answers
            .iter()
            .all(|answer| answer.status() == 200 || answer.member("type") == "coupon_sold_out")
    );
    assert_eq!(app.order_count().await, uses);
    assert_eq!(
        app.database.value("SELECT uses FROM promotion_uses").await,
        uses.to_string()
    );
    // A repetition at either server gets the same answer, though it is sold out.
    for (n, answer) in answers.iter().enumerate().step_by(3) {
        let again = order(n + 1).idempotency_key(&format!("key-{n}")).send().await;
        assert_eq!(again.status(), answer.status());
        if answer.status() == 200 {
            assert_eq!(again.bytes(), answer.bytes());
        }
    }
    assert_eq!(
        app.database.value("SELECT uses FROM promotion_uses").await,
        uses.to_string()
    );
}

#[tokio::test]
async fn batches_with_several_limited_promotions_and_keys_do_not_get_into_each_others_way() {
    several_promotions(1).await;
}

#[tokio::test]
async fn so_do_they_not_over_eight_connections() {
    several_promotions(8).await;
}

async fn several_promotions(connections: usize) {
    let app = app_with(connections).await;
    let codes = ["ALPHA", "BRAVO", "CHARLIE", "DELTA"];
    for code in codes {
        app.promotion(code).max_uses(1_000_000).insert().await;
    }
    let other = replica_with(&app, connections).await;
    let servers = [&app.server, &other];
    let rounds = scaled(20);

    for round in 0..rounds {
        // The two servers meet the codes in opposite orders, and the same keys.
        let answers = join_all((0..80usize).map(|n| {
            let code = codes[if n.is_multiple_of(2) {
                n / 2 % 4
            } else {
                3 - n / 2 % 4
            }];
            let order = servers[n % 2].place_order([(PIZZA, 2)]).coupon(code);
            order.idempotency_key(&format!("{round}-{n}")).send()
        }))
        .await;
        assert_eq!(count(&answers, 200), 80, "{answers:?}");
    }

    let orders = 80 * rounds;
    assert_eq!(app.order_count().await, orders);
    for code in codes {
        let uses = format!("SELECT uses FROM promotion_uses WHERE code = '{code}'");
        assert_eq!(
            app.database.value(&uses).await,
            (orders / 4).to_string(),
            "{code}"
        );
    }
}

#[tokio::test]
async fn one_idempotency_key_sent_to_both_is_one_order() {
    let app = TestApp::start().await;
    let other = replica_of(&app).await;
    let servers = [&app.server, &other];

    for round in 0..scaled(50) {
        let order = |n: usize| {
            let order = servers[n % 2].place_order([(PIZZA, 2)]);
            order.idempotency_key(&format!("key-{round}")).send()
        };
        let answers = join_all((0..8).map(order)).await;

        let taken: Vec<&Answer> = answers.iter().filter(|answer| answer.status() == 200).collect();
        assert!(!taken.is_empty(), "{answers:?}");
        assert!(taken.iter().all(|answer| answer.bytes() == taken[0].bytes()));
        assert_eq!(taken.len() + count(&answers, 409), 8, "{answers:?}");
        for n in 0..2 {
            assert_eq!(order(n).await.bytes(), taken[0].bytes());
        }
        assert_eq!(app.order_count().await, round + 1);
    }
}
