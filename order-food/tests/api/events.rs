//! GET /api/order/{id}/events: server-sent events of one order.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use test_support::{PATIENCE, TestDatabase};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::client::Request;
use crate::fixtures::{APITEST, OTHER, STAFF, WRITER};
use crate::harness::{Server, TestApp};
use crate::order_status::placed;

/// A client that reads events.
pub(crate) struct Events {
    input: BufReader<TcpStream>,
    pub(crate) head: String,
}

/// An event, or the end of the stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Events {
    /// Asks for the events of an order, and reads the head of the answer.
    pub(crate) async fn open(server: &Server, key: &str, order: &str, last: Option<&str>) -> Events {
        Events::over(server.address(), key, order, last).await
    }

    /// The same from any address, such as a proxy's.
    pub(crate) async fn over(address: SocketAddr, key: &str, order: &str, last: Option<&str>) -> Events {
        let last = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        let headers = format!("api_key: {key}\r\n{last}");
        Events::ask(address, &format!("/api/order/{order}/events"), &headers).await
    }

    /// The same of any path, with these lines as headers.
    pub(crate) async fn at(server: &Server, target: &str, headers: &str) -> Events {
        Events::ask(server.address(), target, headers).await
    }

    async fn ask(address: SocketAddr, target: &str, headers: &str) -> Events {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: shop\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut input = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = tokio::time::timeout(PATIENCE, input.read_line(&mut head));
            assert_ne!(read.await.expect("a head in time").unwrap(), 0, "{head}");
        }
        Events { input, head }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The next chunk as text; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        if self.input.read_line(&mut size).await.ok()? == 0 {
            return None;
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.input.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// The next event; `None` at the end. Comments and `retry` are skipped.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let chunk = self.chunk().await?;
                let field = |name: &str| {
                    let mut lines = chunk.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                if let Some(data) = field("data") {
                    return Some(Event {
                        id: field("id").unwrap().into(),
                        name: field("event").unwrap().into(),
                        data: serde_json::from_str(data).unwrap(),
                    });
                }
            }
        })
        .await
        .expect("an event or the end in time")
    }

    /// The states of the next events, each with its version.
    pub(crate) async fn states<const COUNT: usize>(&mut self) -> [(String, i64); COUNT] {
        let mut states = Vec::new();
        for _ in 0..COUNT {
            states.push(self.next().await.expect("an event").state());
        }
        states.try_into().unwrap()
    }
}

impl Event {
    pub(crate) fn state(&self) -> (String, i64) {
        assert_eq!(self.id, self.data["version"].to_string());
        (
            self.data["status"].as_str().unwrap().to_owned(),
            self.data["version"].as_i64().unwrap(),
        )
    }
}

pub(crate) fn state(status: &str, version: i64) -> (String, i64) {
    (status.to_owned(), version)
}

/// Changes the state as another replica would that cannot notify anyone.
pub(crate) async fn change_silently(database: &TestDatabase, order: &str, status: &str) {
    database
        .execute(&format!(
            "WITH changed AS (
                INSERT INTO order_states (order_id, status, version, ready_at, reason)
                VALUES ('{order}', '{status}', 2, now(), CASE '{status}' WHEN 'rejected' THEN 'other' END)
                ON CONFLICT (order_id) DO UPDATE
                    SET status = excluded.status, version = order_states.version + 1, changed_at = now(),
                        reason = excluded.reason
                RETURNING *)
             INSERT INTO order_events (order_id, version, from_status, to_status, actor)
             SELECT order_id, version, 'placed', status, 'staff' FROM changed"
        ))
        .await;
}

/// The same, and notifies.
async fn change(database: &TestDatabase, order: &str, status: &str, version: i32) {
    change_silently(database, order, status).await;
    database
        .execute(&format!("NOTIFY orders_changed, '{order} {version}'"))
        .await;
}

#[tokio::test]
async fn the_present_state_comes_first_then_each_change_until_a_final_one() {
    let app = TestApp::start().await;
    let order = placed(&app).await;

    let mut events = Events::open(&app.server, APITEST, &order, None).await;
    let first = events.next().await.unwrap();
    let mut states = vec![first.state()];
    for (status, version) in [("accepted", 2), ("preparing", 3), ("ready", 4), ("picked_up", 5)] {
        change(&app.database, &order, status, version).await;
        states.push(events.next().await.unwrap().state());
    }
    let end = events.next().await;

    assert_eq!(events.status(), 200);
    for header in [
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "connection: close",
        "x-request-id: ",
    ] {
        assert!(
            events.head.to_lowercase().contains(header),
            "{header}: {}",
            events.head
        );
    }
    assert_eq!(first.name, "status");
    assert_eq!(first.data["orderId"], order.as_str());
    assert_eq!(
        states,
        [
            state("placed", 1),
            state("accepted", 2),
            state("preparing", 3),
            state("ready", 4),
            state("picked_up", 5)
        ]
    );
    assert_eq!(end, None);
    assert_eq!(app.server.metric("event_streams").await, 0);
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    for status in ["accepted", "preparing", "ready"] {
        change_silently(&app.database, &order, status).await;
    }

    let mut missed = Events::open(&app.server, APITEST, &order, Some("2")).await;
    assert_eq!(missed.states().await, [state("preparing", 3), state("ready", 4)]);

    let mut nothing = Events::open(&app.server, APITEST, &order, Some("4")).await;
    for unbelieved in ["5", "0", "-1", "99999999999", "rubbish", ""] {
        let mut events = Events::open(&app.server, APITEST, &order, Some(unbelieved)).await;
        assert_eq!(events.states().await, [state("ready", 4)], "{unbelieved}");
    }

    change(&app.database, &order, "picked_up", 5).await;
    assert_eq!(nothing.states().await, [state("picked_up", 5)]);
    assert_eq!(nothing.next().await, None);
    // A browser that is told 204 does not come back.
    let after_the_end = Events::open(&app.server, APITEST, &order, Some("5")).await;
    assert_eq!(after_the_end.status(), 204);
}

#[tokio::test]
async fn a_stream_begins_with_the_time_after_which_to_come_back() {
    let app = TestApp::start().await;
    let order = placed(&app).await;

    let mut waits = Vec::new();
    for last in [None, Some("1"), None, None] {
        let mut events = Events::open(&app.server, APITEST, &order, last).await;
        let chunk = events.chunk().await.unwrap();
        let wait = chunk.lines().next().unwrap().strip_prefix("retry: ").unwrap();
        waits.push(wait.parse::<u64>().unwrap());
    }

    assert!(
        waits.iter().all(|wait| (1_000..5_000).contains(wait)),
        "{waits:?}"
    );
    assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
}

#[tokio::test]
async fn only_who_may_read_the_order_may_follow_it() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let target = format!("/api/order/{order}/events");

    let mut staff = Events::open(&app.server, STAFF, &order, None).await;
    assert_eq!(staff.states().await, [state("placed", 1)]);

    let (status, kind) = app.get(&target).await.error();
    assert_eq!((status, kind.as_str()), (401, "unauthenticated"));
    for (key, status, kind) in [(OTHER, 404, "not_found"), (WRITER, 403, "forbidden")] {
        assert_eq!(app.get_as(key, &target).await.error(), (status, kind.into()));
    }
    let unknown = "/api/order/019a2f3c-5d80-7b1e-9c44-2f608f0d3a11/events";
    assert_eq!(app.get_as(APITEST, unknown).await.status(), 404);
    let rubbish = app.get_as(APITEST, "/api/order/1/events").await;
    assert_eq!(rubbish.error(), (400, "invalid_order_id".into()));
    let head = Request::new("HEAD", &target).header("api_key", APITEST);
    assert_eq!(app.send(&head).await.status(), 200);
    drop(staff);
}

#[tokio::test]
async fn streams_beyond_the_allowed_number_are_refused_and_the_api_is_unharmed() {
    let app = TestApp::with(|settings| settings.event_streams = 3).await;
    let order = placed(&app).await;
    let target = format!("/api/order/{order}/events");
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Events::open(&app.server, APITEST, &order, None).await);
    }

    for _ in 0..200 {
        let refused = app.get_as(APITEST, &target).await;
        assert_eq!(refused.error(), (503, "too_many_streams".into()));
    }

    assert_eq!(app.server.metric("event_streams").await, 3);
    assert_eq!(app.server.metric("event_streams_refused_total").await, 200);
    placed(&app).await;
    change(&app.database, &order, "accepted", 2).await;
    for events in &mut open {
        assert_eq!(events.states().await, [state("placed", 1), state("accepted", 2)]);
    }
    // What ends makes room.
    change(&app.database, &order, "rejected", 3).await;
    for mut events in open {
        assert_eq!(events.states().await, [state("rejected", 3)]);
        assert_eq!(events.next().await, None);
    }
    let after = Events::open(&app.server, APITEST, &order, None).await;
    assert_eq!(after.status(), 200);
}

#[tokio::test]
async fn a_stream_is_no_slow_request() {
    let app = TestApp::start().await;
    let order = placed(&app).await;

    drop(Events::open(&app.server, APITEST, &order, None).await);
    change(&app.database, &order, "cancelled", 2).await;
    test_support::eventually("the stream has ended", async || {
        app.server.metric("event_streams").await == 0
    })
    .await;

    let metrics = app.get("/metrics").await.text();
    assert!(metrics.contains("http_requests_duration_seconds"), "{metrics}");
    assert!(!metrics.contains("/events"), "{metrics}");
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_its_streams() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let mut events = Events::open(&app.server, APITEST, &order, None).await;
    assert_eq!(events.states().await, [state("placed", 1)]);

    app.publish("UPDATE api_keys SET revoked_at = now()").await;

    let began = Instant::now();
    let end = tokio::time::timeout(Duration::from_secs(40), events.chunk()).await;
    assert_eq!(end.expect("the end"), None);
    assert!(began.elapsed() < Duration::from_secs(35));
}
