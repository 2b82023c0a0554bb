//! Orders that are read from a standby: which ones, and what becomes of them when it is behind,
//! away or silent.

use std::time::{Duration, Instant};

use test_support::{OwnCluster, Stop, eventually};
use uuid::Uuid;

use super::own_cluster;
use crate::client::{Answer, Request};
use crate::fixtures::{APITEST, KITCHEN, PIZZA, key_id};
use crate::harness::{Server, settings};

struct Pair {
    server: Server,
    primary: OwnCluster,
    standby: OwnCluster,
}

impl Pair {
    async fn start() -> Pair {
        let mut primary = own_cluster().await;
        let standby = primary.standby();
        let server = server(&primary, Some(&standby)).await;
        let pair = Pair {
            server,
            primary,
            standby,
        };
        pair.until_used(1).await;
        pair
    }

    async fn until_used(&self, used: usize) {
        eventually(&format!("read_standby_in_use {used}"), async || {
            self.server.metric("read_standby_in_use").await == used
        })
        .await;
    }

    /// Stores an order whose id says that it is so many seconds old.
    async fn order_of(&self, seconds: u64) -> Uuid {
        let id = id_of(seconds);
        let rows = format!(
            "INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total)
             VALUES ('{id}', '{key}', 'SAVE10', 35.97, 3.60, 32.37);
             INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
             VALUES ('{id}', 2, 3, 'Blueberry Pancakes', 'Pancakes', 9.99, 1), ('{id}', 1, 1, 'Chicken Waffle', 'Waffle', 12.99, 2)",
            key = key_id(APITEST)
        );
        self.primary.client().await.batch_execute(&rows).await.unwrap();
        id
    }

    async fn until_replayed(&self) {
        let position = "SELECT pg_current_wal_flush_lsn()::text";
        let client = self.primary.client().await;
        let position: String = client.query_one(position, &[]).await.unwrap().get(0);
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
        let client = self.standby.client().await;
        eventually("the standby has replayed", async || {
            client.query_one(&replayed, &[]).await.unwrap().get(0)
        })
        .await;
    }

    async fn read(&self, id: Uuid) -> Answer {
        get(&self.server, &format!("/api/order/{id}")).await
    }

    async fn reads(&self) -> (usize, usize) {
        let of = async |name: &str| {
            let name = format!("order_reads_total{{server=\"{name}\"}}");
            self.server.metric(&name).await
        };
        (of("primary").await, of("standby").await)
    }
}

async fn server(primary: &OwnCluster, standby: Option<&OwnCluster>) -> Server {
    let mut settings = settings(primary.settings());
    settings.read_database.url = standby.map(|standby| standby.url().into());
    settings.read_database.max_lag_s = 2;
    let server = Server::start(settings);
    server.until_ready_is(200).await;
    server
}

async fn get(server: &Server, target: &str) -> Answer {
    server
        .send(&Request::get(target).header("api_key", APITEST))
        .await
}

fn id_of(seconds: u64) -> Uuid {
    let made = chrono::Utc::now() - chrono::TimeDelta::seconds(i64::try_from(seconds).unwrap());
    let millis = u64::try_from(made.timestamp_millis()).unwrap();
    uuid::Builder::from_unix_timestamp_millis(millis, Uuid::new_v4().as_bytes().first_chunk().unwrap())
        .into_uuid()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_orders_come_from_the_standby_as_from_the_primary_and_young_ones_do_not() {
    let pair = Pair::start().await;
    let ids = [pair.order_of(7200).await, pair.order_of(3600).await];
    pair.until_replayed().await;
    let placed = pair.server.place_order([(PIZZA, 1)]).accepted().await;
    let young = Uuid::try_parse(placed["id"].as_str().unwrap()).unwrap();
    let without = server(&pair.primary, None).await;
    let before = pair.reads().await;

    let [deep, first] = [
        format!("/api/order?limit=2&cursor={}", id_of(60)),
        "/api/order".into(),
    ];
    for target in [
        format!("/api/order/{}", ids[0]),
        format!("/api/order/{}", ids[1]),
        deep,
        first,
        format!("/api/order/{young}"),
        format!("/api/order/{}", id_of(3000)),
    ] {
        let (one, other) = (get(&pair.server, &target).await, get(&without, &target).await);

        assert_eq!(one.status(), other.status(), "{target}");
        if one.status() == 200 {
            assert_eq!(one.bytes(), other.bytes(), "{target}");
        }
        for name in ["etag", "link", "cache-control"] {
            assert_eq!(one.header(name), other.header(name), "{target}: {name}");
        }
    }

    // Of the six: two old ones and the deep page, and what is on neither.
    let reads = pair.reads().await;
    assert_eq!((reads.0 - before.0, reads.1 - before.1), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_stands_still_shows_no_order_as_missing() {
    let pair = Pair::start().await;
    let client = pair.standby.client().await;
    client
        .batch_execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();

    let id = pair.order_of(20).await;
    assert_eq!(
        pair.read(id).await.status(),
        200,
        "not on the standby, which is asked first"
    );
    let path = format!("/api/order/{id}/status");
    let change = Request::new("PUT", &path)
        .header("api_key", KITCHEN)
        .json(r#"{"status":"accepted","readyInMinutes":20}"#);
    assert_eq!(pair.server.send(&change).await.status(), 200);
    let status = get(&pair.server, &path).await;
    assert_eq!(status.json()["status"], "accepted");

    pair.until_used(0).await;
    let page = get(&pair.server, &format!("/api/order?cursor={}", id_of(15))).await;
    assert_eq!(page.json()[0]["id"], id.to_string());
    assert_eq!(pair.read(id).await.status(), 200);

    client
        .batch_execute("SELECT pg_wal_replay_resume()")
        .await
        .unwrap();
    pair.until_used(1).await;
    let before = pair.reads().await;
    assert_eq!(pair.read(id).await.status(), 200);
    assert_eq!(pair.reads().await, (before.0, before.1 + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_read_on_while_the_standby_is_frozen_or_gone() {
    let mut pair = Pair::start().await;
    let id = pair.order_of(3600).await;
    pair.until_replayed().await;
    let page = format!("/api/order?cursor={}", id_of(60));
    let expected = pair.read(id).await;
    assert_eq!(expected.status(), 200);

    for frozen in [true, false] {
        match frozen {
            true => pair.standby.signal("STOP"),
            false => pair.standby.stop(Stop::Immediate),
        }
        for attempt in 0..3 {
            let began = Instant::now();
            let answer = pair.read(id).await;
            assert_eq!(answer.bytes(), expected.bytes(), "{frozen}, {attempt}");
            assert_eq!(get(&pair.server, &page).await.json()[0]["id"], id.to_string());
            // Once at most the standby is waited for.
            assert!(began.elapsed() < Duration::from_secs(2), "{frozen}, {attempt}");
        }
        match frozen {
            true => pair.standby.signal("CONT"),
            false => pair.standby.start_again(),
        }
        pair.until_used(1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_standby_of_the_primary_is_not_read_from() {
    let primary = own_cluster().await;
    let other = own_cluster().await;

    for wrong in [&primary, &other] {
        let server = server(&primary, Some(wrong)).await;
        let order = server.place_order([(PIZZA, 1)]).accepted().await;
        let path = format!("/api/order/{}", order["id"].as_str().unwrap());
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(get(&server, &path).await.status(), 200);
            assert_eq!(
                get(&server, &format!("/api/order/{}", id_of(3600)))
                    .await
                    .status(),
                404
            );
            assert_eq!(server.metric("read_standby_in_use").await, 0);
        }
        assert_eq!(server.metric("order_reads_total{server=\"standby\"}").await, 0);
    }
}
