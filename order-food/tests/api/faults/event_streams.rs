//! Streams of server-sent events: sessions and replicas that go away, clients that read slowly.

use std::time::{Duration, Instant};

use serde_json::json;
use test_support::{eventually, scaled};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::replicas::replica_of;
use crate::events::{Events, change_silently, state};
use crate::fixtures::{APITEST, MANAGER, PIZZA, STAFF};
use crate::harness::{Server, TestApp, settings};
use crate::order_status::{placed, put};

/// The session that listens for changes, of each server of the database.
const LISTENING: &str =
    "FROM pg_stat_activity WHERE query = 'LISTEN orders_changed' AND datname = current_database()";

#[tokio::test]
async fn a_change_at_one_replica_is_seen_at_the_other_within_a_second() {
    let app = TestApp::start().await;
    let other = replica_of(&app).await;
    let listening = format!("SELECT count(*) {LISTENING}");
    app.database.until("both servers listen", &listening, "2").await;
    let order = placed(&app).await;
    let mut here = Events::open(&app.server, APITEST, &order, None).await;
    let mut there = Events::open(&other, STAFF, &order, None).await;
    for events in [&mut here, &mut there] {
        assert_eq!(events.states().await, [state("placed", 1)]);
    }

    for (status, version) in [("accepted", 2), ("preparing", 3), ("ready", 4), ("picked_up", 5)] {
        let change = put(MANAGER, &order, &json!({ "status": status }));
        let began = Instant::now();
        assert_eq!(app.send(&change).await.status(), 200);
        for events in [&mut here, &mut there] {
            assert_eq!(events.states().await, [state(status, version)]);
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    assert_eq!((here.next().await, there.next().await), (None, None));
}

#[tokio::test]
async fn every_client_at_any_replica_sees_each_version_once_and_in_order() {
    let app = TestApp::start().await;
    let other = replica_of(&app).await;
    let servers = [&app.server, &other];
    let mut orders = Vec::new();
    for _ in 0..scaled(100) {
        orders.push(placed(&app).await);
    }
    let follow = async |number: usize, order: &str| {
        let mut versions = Vec::new();
        let mut events = Events::open(servers[number % 2], APITEST, order, None).await;
        loop {
            while let Some(event) = events.next().await {
                versions.push(event.state());
            }
            if versions.last().is_some_and(|(status, _)| status == "picked_up") {
                return versions;
            }
            // It came back after its stream was cut.
            let last = versions.last().map(|(_, version)| version.to_string());
            events = Events::open(servers[number % 2], APITEST, order, last.as_deref()).await;
        }
    };
    let walk = async |number: usize, order: &str| {
        for status in [
            "accepted",
            "preparing",
            "ready",
            "preparing",
            "ready",
            "picked_up",
        ] {
            let change = put(MANAGER, order, &json!({ "status": status }));
            assert_eq!(servers[(number + 1) % 2].send(&change).await.status(), 200);
        }
    };

    let both = orders.iter().enumerate().map(async |(number, order)| {
        let (versions, ()) = tokio::join!(follow(number, order), walk(number, order));
        versions
    });
    let seen = futures_util::future::join_all(both).await;

    for versions in seen {
        let last = versions.last().unwrap().1;
        assert_eq!(last, 7);
        // Perhaps the first ones were made before the client came.
        let first = versions[0].1;
        let numbers: Vec<i64> = versions.iter().map(|(_, version)| *version).collect();
        assert_eq!(numbers, (first..=last).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_burst_of_orders_is_notified_at_most_four_times_a_second() {
    let app = TestApp::start().await;
    let mut listener = app
        .database
        .database()
        .listen_for_payloads(database::channels::ORDERS_CHANGED, 1_000)
        .await
        .unwrap();
    let began = Instant::now();
    let mut orders = 0;
    while began.elapsed() < Duration::from_secs(2) {
        let several = (0..20).map(|_| app.place_order([(PIZZA, 1)]).accepted());
        orders += futures_util::future::join_all(several).await.len();
    }
    let most = began.elapsed().as_millis() / 250 + 2;

    let mut hints = 0;
    while let Ok(payload) = tokio::time::timeout(Duration::from_secs(1), listener.next_payload()).await {
        assert_eq!(payload.as_deref(), Some(""));
        hints += 1;
    }

    assert!((2..=most).contains(&hints), "{hints} for {orders} orders");
}

#[tokio::test]
async fn a_change_without_any_notification_is_seen_within_15_s() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let mut events = Events::open(&app.server, APITEST, &order, None).await;
    assert_eq!(events.states().await, [state("placed", 1)]);

    let began = Instant::now();
    change_silently(&app.database, &order, "accepted").await;

    assert_eq!(events.states().await, [state("accepted", 2)]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_listening_session_that_is_ended_is_replaced_and_nothing_is_missed() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let listening = format!("SELECT count(*) {LISTENING}");
    app.database.until("the server listens", &listening, "1").await;
    let mut events = Events::open(&app.server, APITEST, &order, None).await;
    assert_eq!(events.states().await, [state("placed", 1)]);

    for (status, version) in [("accepted", 2), ("preparing", 3), ("ready", 4)] {
        app.database
            .execute(&format!("SELECT pg_terminate_backend(pid) {LISTENING}"))
            .await;
        // Nobody listens now.
        change_silently(&app.database, &order, status).await;
        let began = Instant::now();
        assert_eq!(events.states().await, [state(status, version)]);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        app.database
            .until("the server listens again", &listening, "1")
            .await;
    }
}

#[tokio::test]
async fn a_stop_ends_the_streams_at_once_and_clients_end_in_the_true_state_elsewhere() {
    let app = TestApp::start().await;
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(placed(&app).await);
    }
    let mut settings_of_first = settings(app.database.settings());
    settings_of_first.drain_wait_s = 3_600;
    let mut replicas = vec![Server::start(settings_of_first)];
    replicas[0].until_ready_is(200).await;
    let mut clients = Vec::new();
    for order in &orders {
        let mut events = Events::open(&replicas[0], APITEST, order, None).await;
        assert_eq!(events.states().await, [state("placed", 1)]);
        clients.push(events);
    }

    replicas.push(replica_of(&app).await);
    replicas[0].stop();
    for events in &mut clients {
        let began = Instant::now();
        assert_eq!(events.next().await, None);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    // While nobody is connected.
    for order in &orders {
        change_silently(&app.database, order, "accepted").await;
        change_silently(&app.database, order, "preparing").await;
    }

    for order in &orders {
        // One that comes to the replica that is stopping is sent on.
        let mut early = Events::open(&replicas[0], APITEST, order, Some("1")).await;
        assert_eq!(early.status(), 200);
        assert_eq!(early.next().await, None);
        let mut events = Events::open(&replicas[1], APITEST, order, Some("1")).await;
        assert_eq!(
            events.states().await,
            [state("accepted", 2), state("preparing", 3)]
        );
    }
}

#[tokio::test]
async fn a_client_that_reads_a_byte_at_a_time_holds_up_nobody() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1_024).unwrap();
    let mut slow = socket.connect(app.server.address()).await.unwrap();
    let request =
        format!("GET /api/order/{order}/events HTTP/1.1\r\nHost: shop\r\napi_key: {APITEST}\r\n\r\n");
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut events = Events::open(&app.server, APITEST, &order, None).await;
    assert_eq!(events.states().await, [state("placed", 1)]);

    let mut read = Vec::new();
    let changes = i64::try_from(scaled(200)).unwrap();
    for change in 0..changes {
        let status = if change % 2 == 0 { "preparing" } else { "ready" };
        change_silently(&app.database, &order, status).await;
        let notify = format!("NOTIFY orders_changed, '{order} {}'", change + 2);
        app.database.execute(&notify).await;
        let began = Instant::now();
        assert_eq!(events.states().await, [state(status, change + 2)]);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        read.push(slow.read_u8().await.unwrap());
    }
    change_silently(&app.database, &order, "picked_up").await;
    app.database
        .execute(&format!("NOTIFY orders_changed, '{order} {}'", changes + 2))
        .await;

    assert_eq!(app.server.place_order([(PIZZA, 1)]).send().await.status(), 200);
    // It gets everything, in order.
    while let Ok(byte) = slow.read_u8().await {
        read.push(byte);
    }
    let text = String::from_utf8(read).unwrap();
    let versions: Vec<i64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: ")?.parse().ok())
        .collect();
    assert_eq!(versions, (1..=changes + 2).collect::<Vec<_>>());
    eventually("no stream is left", async || {
        app.server.metric("event_streams").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_has_gone_is_noticed_by_the_heartbeat() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Events::open(&app.server, APITEST, &order, None).await);
    }
    assert_eq!(app.server.metric("event_streams").await, 20);

    drop(clients);

    let began = Instant::now();
    while app.server.metric("event_streams").await > 0 {
        assert!(began.elapsed() < Duration::from_secs(35), "streams of nobody");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn five_thousand_streams_at_once_get_places_or_are_told_when_to_come_back() {
    const PLACES: usize = 100;
    let app = TestApp::with(|settings| settings.event_streams = PLACES).await;
    let order = placed(&app).await;
    let target = format!("/api/order/{order}/events");
    let mut open = Vec::new();
    for _ in 0..PLACES {
        open.push(Events::open(&app.server, APITEST, &order, None).await);
    }

    let client = async || {
        for _ in 0..100 {
            let refused = app.get_as(APITEST, &target).await;
            assert_eq!(refused.error(), (503, "too_many_streams".into()));
            let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
        }
    };
    let began = Instant::now();
    let orders = async {
        for _ in 0..20 {
            let asked = Instant::now();
            placed(&app).await;
            assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        }
    };
    let clients = futures_util::future::join_all((0..49).map(|_| client()));
    tokio::join!(clients, orders);

    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(app.server.metric("event_streams").await, PLACES);
    assert_eq!(app.server.metric("event_streams_refused_total").await, 4_900);
    let change = put(MANAGER, &order, &json!({ "status": "accepted" }));
    assert_eq!(app.send(&change).await.status(), 200);
    for events in &mut open {
        assert_eq!(events.states().await, [state("placed", 1), state("accepted", 2)]);
    }
}
