//! Many clients change many orders at two replicas while processes and the database are killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use shop::order_status::TRANSITIONS;
use shop::{OrderStatus, Transition};
use test_support::http::{self, Request};
use test_support::{OwnCluster, PATIENCE, Process, Random, Stop, eventually, scaled};

use super::{on_own_cluster, own_cluster};
use crate::fixtures::{APITEST, HASH_KEYS, MANAGER, PIZZA};
use crate::harness::{Server, TestApp, settings};
use crate::order_status::{cancel, change};

const PROGRAM: &str = env!("CARGO_BIN_EXE_order-food");
const CLIENTS: u64 = 64;

const ENDPOINT: &str = "
    INSERT INTO webhook_endpoints (id, url, events)
    VALUES (gen_random_uuid(), 'http://127.0.0.1:9/', ARRAY['order.status_changed'])";

/// A change that was answered 200.
#[derive(Debug)]
struct Answered {
    order: String,
    version: i64,
    status: String,
}

/// Status and body of the answer to a change; none where the connection broke.
async fn exchange(address: SocketAddr, order: &str, body: &str) -> Option<(u16, Value)> {
    let request = Request::new("PUT", &format!("/api/order/{order}/status"));
    let request = request.header("api_key", MANAGER).json(body);
    let answer = tokio::time::timeout(PATIENCE, http::ask(address, &request)).await;
    let answer = answer.ok()?.ok()?;
    Some((answer.status(), answer.json()))
}

/// Random changes of random orders until `enough` were answered and `faults` are over.
async fn client(
    number: u64,
    servers: &[SocketAddr],
    orders: &[String],
    enough: usize,
    faults: &AtomicBool,
) -> Vec<Answered> {
    let mut random = Random::new(number);
    let mut answered = Vec::new();
    let mut received = 0;
    while received < enough || !faults.load(Ordering::Relaxed) {
        let order = random.pick(orders);
        let to = random.pick(TRANSITIONS).to;
        // Ends come seldom, so that orders live long.
        if to.is_final() && random.below(8) > 0 {
            continue;
        }
        let minutes = match to.takes_ready_time() && random.below(3) == 0 {
            true => format!(r#","readyInMinutes":{}"#, 1 + random.below(60)),
            false => String::new(),
        };
        let reason = if to.is_void() { r#","reason":"other""# } else { "" };
        let body = format!(r#"{{"status":"{to}"{reason}{minutes}}}"#);
        let server = *random.pick(servers);
        match exchange(server, order, &body).await {
            Some((200, body)) => {
                received += 1;
                assert_eq!(body["status"], to.name());
                answered.push(Answered {
                    order: order.clone(),
                    version: body["version"].as_i64().unwrap(),
                    status: to.name().to_owned(),
                });
            }
            Some((409, body)) => {
                received += 1;
                assert_eq!(body["type"], "transition_not_allowed");
            }
            Some((503, _)) | None => tokio::time::sleep(Duration::from_millis(20)).await,
            Some(other) => panic!("{other:?}"),
        }
    }
    answered
}

async fn rows(cluster: &OwnCluster, sql: &str) -> Vec<Vec<String>> {
    let rows = cluster.client().await.query(sql, &[]).await.unwrap();
    let text = |row: &tokio_postgres::Row| (0..row.len()).map(|column| row.get(column)).collect();
    rows.iter().map(text).collect()
}

/// Every history is a path of the diagram without gaps, its end is the state, each change has one
/// webhook, and every change that was answered is there.
async fn assert_whole(cluster: &OwnCluster, answered: &[Answered]) {
    let events = rows(
        cluster,
        "SELECT order_id::text, version::text, from_status, to_status FROM order_events
            ORDER BY order_id, order_events.version",
    )
    .await;
    let mut histories: BTreeMap<String, Vec<OrderStatus>> = BTreeMap::new();
    for event in &events {
        let history = histories
            .entry(event[0].clone())
            .or_insert_with(|| vec![OrderStatus::Placed]);
        let from = OrderStatus::parse(&event[2]).unwrap();
        let to = OrderStatus::parse(&event[3]).unwrap();
        assert_eq!(event[1], (history.len() + 1).to_string(), "{event:?}");
        assert_eq!(history.last(), Some(&from), "{event:?}");
        assert!(
            TRANSITIONS.iter().any(
                |Transition {
                     from: known,
                     to: after,
                     ..
                 }| (*known, *after) == (from, to)
            ),
            "{event:?}"
        );
        history.push(to);
    }
    let states = rows(
        cluster,
        "SELECT order_id::text, version::text, status FROM order_states ORDER BY 1",
    )
    .await;
    let ends: Vec<Vec<String>> = histories
        .iter()
        .map(|(order, history)| {
            let last = history.last().unwrap();
            vec![order.clone(), history.len().to_string(), last.name().to_owned()]
        })
        .collect();
    assert_eq!(states, ends);
    let wrong = "
        SELECT order_id::text, order_events.version::text, count(job.id)::text FROM order_events
        FULL JOIN job ON payload ->> 'order' = order_id::text AND (payload ->> 'version')::integer = order_events.version
            AND payload ->> 'status' = to_status
        GROUP BY 1, 2 HAVING count(job.id) <> 1 OR count(order_id) = 0";
    assert_eq!(rows(cluster, wrong).await, Vec::<Vec<String>>::new());
    for Answered {
        order,
        version,
        status,
    } in answered
    {
        let history = &histories[order];
        let position = usize::try_from(*version - 1).unwrap();
        assert_eq!(history[position].name(), status, "{order} {version}");
    }
}

/// Places orders, then changes them at both addresses while `faults` runs; all that was answered.
async fn change_many(
    first: &Server,
    servers: &[SocketAddr],
    faults: impl Future<Output = ()>,
) -> Vec<Answered> {
    let places = (0..scaled(1_000)).map(|_| first.place_order([(PIZZA, 1)]).accepted());
    let orders: Vec<String> = join_all(places)
        .await
        .iter()
        .map(|order| order["id"].as_str().unwrap().to_owned())
        .collect();
    let over = AtomicBool::new(false);
    let clients = (0..CLIENTS).map(|number| client(number, servers, &orders, scaled(300), &over));
    let faults = async {
        faults.await;
        over.store(true, Ordering::Relaxed);
    };
    let (answered, ()) = tokio::join!(join_all(clients), faults);
    answered.into_iter().flatten().collect()
}

#[tokio::test]
async fn changes_at_two_replicas_are_paths_of_the_diagram_though_the_database_is_killed() {
    let (first, mut cluster) = on_own_cluster(|_| ()).await;
    cluster.client().await.batch_execute(ENDPOINT).await.unwrap();
    let other = Server::start(settings(cluster.settings()));
    other.until_ready_is(200).await;
    let servers = [first.address(), other.address()];

    let answered = change_many(&first, &servers, async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            cluster.stop(Stop::Immediate);
            cluster.start_again();
        }
    })
    .await;

    assert!(answered.len() > scaled(1_000), "{} answers", answered.len());
    assert_whole(&cluster, &answered).await;
}

#[tokio::test]
async fn changes_of_a_replica_that_is_killed_are_whole_or_absent() {
    let cluster = own_cluster().await;
    cluster.client().await.batch_execute(ENDPOINT).await.unwrap();
    let first = Server::start(settings(cluster.settings()));
    first.until_ready_is(200).await;
    let url = cluster.url();
    let environment = [
        ("DATABASE_URL", url.as_str()),
        ("BIND_ADDRESS", "127.0.0.1"),
        ("PORT", "0"),
        ("API_KEY_HASH_KEY", HASH_KEYS),
        ("LOG_FORMAT", "json"),
    ];
    let mut process = Process::spawn(PROGRAM, ["serve"], &environment);
    let killed = SocketAddr::from(([127, 0, 0, 1], process.port("listening").await));
    eventually("the process takes changes", async || {
        let answer = exchange(
            killed,
            "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11",
            r#"{"status":"ready"}"#,
        );
        answer.await.is_some_and(|(status, _)| status == 404)
    })
    .await;

    let answered = change_many(&first, &[first.address(), killed], async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        process.signal("KILL");
    })
    .await;

    assert!(answered.len() > scaled(1_000), "{} answers", answered.len());
    assert_whole(&cluster, &answered).await;
}

#[tokio::test]
async fn a_limit_is_never_passed_by_orders_that_are_placed_and_taken_back_at_once() {
    const LIMIT: u32 = 5;
    let app = TestApp::start().await;
    app.promotion("COMEANDGO").max_uses(LIMIT).insert().await;
    let other = Server::start(settings(app.database.settings()));
    other.until_ready_is(200).await;
    let servers = [&app.server, &other];
    let valid = "
        SELECT coalesce((SELECT uses FROM promotion_uses), 0) || ' ' || count(*) FROM orders
        LEFT JOIN order_states ON order_id = orders.id AND (order_states.status = 'rejected' OR (order_states.status = 'cancelled' AND version = 2))
        WHERE coupon_code = 'COMEANDGO' AND order_id IS NULL";

    let customer = async |number: usize| {
        let mut random = Random::new(number as u64);
        for _ in 0..scaled(150) {
            let server = *random.pick(&servers);
            let placed = server.place_order([(PIZZA, 2)]).coupon("COMEANDGO").send().await;
            if placed.status() != 200 {
                assert_eq!(placed.error(), (422, "coupon_sold_out".into()));
                continue;
            }
            let order = placed.member("id");
            let back = *random.pick(&servers);
            // Customer and staff at once: one of them is first.
            let (one, two) = tokio::join!(
                async { back.send(&cancel(APITEST, &order)).await },
                change(server, &order, "rejected")
            );
            let mut statuses = [one.status(), two.status()];
            statuses.sort();
            assert_eq!(statuses, [200, 409], "{one:?} {two:?}");
        }
    };
    let watch = async {
        for _ in 0..scaled(100) {
            let seen = app.database.value(valid).await;
            let (uses, valid) = seen.split_once(' ').unwrap();
            assert_eq!(uses, valid);
            assert!(valid.parse::<u32>().unwrap() <= LIMIT, "{seen}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(join_all((0..16).map(customer)), watch);

    assert_eq!(app.database.value(valid).await, "0 0");
    let stored = app.order_count().await;
    assert!(stored > 5 * LIMIT as usize, "{stored}");
}
