//! PostgreSQL hangs: its processes are stopped, and no connection is closed.

use std::cell::Cell;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use process::failure::ExitCode;
use test_support::{OwnCluster, eventually};

use super::{on_own_cluster, order_count};
use crate::client::{Answer, Request};
use crate::fixtures::{APITEST, PIZZA};
use crate::harness::{Server, settings};

/// Seconds that an order may take.
const DEADLINE: u64 = 2;
/// By when it is answered: a busy machine may be slow.
const IN_TIME: Duration = Duration::from_secs(DEADLINE + 3);

/// Stopped processes; they go on when this is dropped.
pub(crate) struct Frozen(Vec<String>);

impl Frozen {
    /// The whole server: new connections are taken by the kernel and never answered.
    async fn everything(cluster: &OwnCluster) -> Frozen {
        let file = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)";
        let client = cluster.client().await;
        let postmaster: String = client.query_one(file, &[]).await.unwrap().get(0);
        let mut frozen = Frozen(Vec::new());
        frozen.freeze(postmaster.clone());
        for process in children(&postmaster) {
            frozen.freeze(process);
        }
        frozen
    }

    /// The sessions of the server under test; new ones are served.
    async fn sessions(cluster: &OwnCluster) -> Frozen {
        Frozen::those(
            cluster,
            "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'order-food'",
        )
        .await
    }

    /// The sessions whose process ids a query finds.
    pub(crate) async fn those(cluster: &OwnCluster, pids: &str) -> Frozen {
        let client = cluster.client().await;
        let mut frozen = Frozen(Vec::new());
        for row in client.query(pids, &[]).await.unwrap() {
            frozen.freeze(row.get(0));
        }
        frozen
    }

    fn freeze(&mut self, process: String) {
        signal("STOP", &process);
        self.0.push(process);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for process in &self.0 {
            signal("CONT", process);
        }
    }
}

fn signal(name: &str, process: &str) {
    // One that has ended since needs no signal.
    let _ = Command::new("kill").args(["-s", name, process]).status().unwrap();
}

fn children(parent: &str) -> Vec<String> {
    let is_child = |process: &String| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("PPid:").map(str::trim) == Some(parent))
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(is_child)
        .collect()
}

fn impatient(settings: &mut order_food::Settings) {
    settings.order_deadline_s = DEADLINE;
    settings.ready_grace_s = 1;
    settings.refresh_interval_s = 1;
    settings.database.statement_timeout_s = 1;
}

/// The answer, which must come in time.
async fn timely(answer: impl Future<Output = Answer>) -> Answer {
    let started = Instant::now();
    let answer = answer.await;
    let taken = started.elapsed();
    assert!(taken < IN_TIME, "{taken:?}: {answer:?}");
    answer
}

async fn list(server: &Server) -> Answer {
    let list = Request::get("/api/order").header("api_key", APITEST);
    timely(server.send(&list)).await
}

#[tokio::test]
async fn while_the_database_hangs_orders_are_503_in_time_and_afterwards_each_is_stored_once_or_not_at_all() {
    let (server, cluster) = on_own_cluster(impatient).await;
    let send = || timely(server.place_order([(PIZZA, 1)]).send());
    let admin = cluster.client().await;
    // A long COMMIT is where the stop is most likely to meet an order.
    let slow =
        "ALTER DATABASE postgres SET commit_delay = 100000; ALTER DATABASE postgres SET commit_siblings = 0";
    admin.batch_execute(slow).await.unwrap();
    drop(admin);
    let taken = Cell::new(0);
    // Goes on until the stop meets one of its orders.
    let client = async || {
        let mut answers = Vec::new();
        loop {
            answers.push(send().await);
            if answers.last().is_none_or(|answer| answer.status() != 200) {
                return answers;
            }
            taken.set(taken.get() + 1);
        }
    };
    let freeze = async {
        eventually("every client is busy", async || taken.get() >= 30).await;
        Frozen::everything(&cluster).await
    };

    let (clients, frozen) = tokio::join!(join_all((0..10).map(|_| client())), freeze);
    let mut answers = clients.concat();
    let mut in_doubt = answers.iter().filter(|answer| answer.status() == 503);
    assert!(in_doubt.any(|answer| answer.member("type") == "outcome_unknown"));
    let (order, orders) = tokio::join!(send(), list(&server));
    assert_eq!(order.error(), (503, "unavailable".into()));
    assert_eq!(orders.error(), (503, "unavailable".into()));
    answers.extend(join_all((0..20).map(|_| send())).await);
    assert!(answers.iter().rev().take(20).all(|answer| answer.status() == 503));
    server.until_ready_is(503).await;
    let reason = server.get("/ready").await.json()["reason"].clone();
    assert_eq!(reason, "the database cannot be reached");
    assert_eq!(server.get("/api/product").await.status(), 200);
    assert_eq!(server.get("/health").await.status(), 200);
    drop(frozen);

    server.until_ready_is(200).await;
    until_taken(&server, &mut answers).await;
    assert_eq!(list(&server).await.status(), 200);
    until_idle(&cluster).await;
    let expected = expected_orders(&server, &answers).await;
    assert_eq!(order_count(&cluster).await, expected);
}

/// Orders until one is stored.
async fn until_taken(server: &Server, answers: &mut Vec<Answer>) {
    eventually("orders are taken", async || {
        let answer = timely(server.place_order([(PIZZA, 1)]).send()).await;
        let taken = answer.status() == 200;
        answers.push(answer);
        taken
    })
    .await;
}

/// How many orders the answers admit: those in doubt are looked up.
async fn expected_orders(server: &Server, answers: &[Answer]) -> i64 {
    let mut expected = 0;
    for answer in answers {
        expected += match answer.error() {
            (200, _) => 1,
            (503, kind) if kind == "outcome_unknown" => stored(server, &answer.json()["orderId"]).await,
            (503, kind) if kind == "unavailable" => 0,
            other => panic!("{other:?}"),
        };
    }
    expected
}

/// Waits until the server has finished what it was sent before it hung.
async fn until_idle(cluster: &OwnCluster) {
    let client = cluster.client().await;
    let busy =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'order-food' AND state <> 'idle'";
    eventually("the sessions are idle", async || {
        client.query_one(busy, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}

/// 1 if the order can be read, else 0.
async fn stored(server: &Server, id: &serde_json::Value) -> i64 {
    let target = format!("/api/order/{}", id.as_str().unwrap());
    let answer = server
        .send(&Request::get(&target).header("api_key", APITEST))
        .await;
    match answer.status() {
        200 => 1,
        404 => 0,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn connections_that_hang_are_replaced_and_store_nothing_later() {
    let (server, cluster) = on_own_cluster(|settings| {
        impatient(settings);
        settings.pool_size = 2;
        settings.ready_grace_s = 60;
    })
    .await;
    let fill = join_all((0..8).map(|_| server.place_order([(PIZZA, 1)]).accepted())).await;
    let frozen = Frozen::sessions(&cluster).await;

    // What was sent to a session that hangs is sent again to another.
    let mut answers = Vec::new();
    until_taken(&server, &mut answers).await;
    eventually("orders are read by sessions that do not hang", async || {
        list(&server).await.status() == 200
    })
    .await;
    eventually("the data are read again", async || {
        server.get("/metrics").await.text().contains("\ndatabase_up 1\n")
    })
    .await;
    assert_eq!(server.get("/ready").await.status(), 200);

    drop(frozen);
    until_idle(&cluster).await;
    let expected = fill.len() as i64 + expected_orders(&server, &answers).await;
    assert_eq!(order_count(&cluster).await, expected);
}

#[tokio::test]
async fn a_server_whose_database_hangs_stops_in_time() {
    let (mut server, cluster) = on_own_cluster(impatient).await;
    let frozen = Frozen::everything(&cluster).await;
    let started = Instant::now();

    let order = server.place_order([(PIZZA, 1)]).request();
    let mut connection = crate::client::Connection::open(server.address()).await;
    let stop = async {
        eventually("the order is in progress", async || {
            let metrics = server.get("/metrics").await.text();
            metrics.contains("http_requests_active 2")
        })
        .await;
        server.stop();
    };
    let (answer, ()) = tokio::join!(connection.exchange(&order), stop);
    let ended = server.ended().await;

    // It was sent; its outcome is unknown.
    assert_eq!(answer.error(), (503, "outcome_unknown".into()));
    assert!(matches!(ended, Ok(ExitCode::Done)), "{ended:?}");
    let taken = started.elapsed();
    assert!(taken < IN_TIME + Duration::from_secs(2), "{taken:?}");
    drop(frozen);
    until_idle(&cluster).await;
    assert!(order_count(&cluster).await <= 1);
}

#[tokio::test]
async fn a_server_that_starts_while_its_database_hangs_serves_once_it_goes_on() {
    let (first, cluster) = on_own_cluster(impatient).await;
    drop(first);
    let frozen = Frozen::everything(&cluster).await;
    let mut own = settings(cluster.settings());
    impatient(&mut own);

    let server = Server::start(own);
    assert_eq!(server.get("/ready").await.status(), 503);
    assert_eq!(list(&server).await.error(), (503, "unavailable".into()));
    drop(frozen);

    server.until_ready_is(200).await;
    server.place_order([(PIZZA, 1)]).accepted().await;
    assert_eq!(order_count(&cluster).await, 1);
}
