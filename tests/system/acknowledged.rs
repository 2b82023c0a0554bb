//! Customers who order without a pause, and the comparison of what was acknowledged with what is
//! stored.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::pod::order_request;
use test_support::http::Connection;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// An order of two lines.
pub(crate) const ORDER: &str = r#"{"items":[{"productId":"9","quantity":1},{"productId":"1","quantity":2}]}"#;

/// What all customers were told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// Ids of the orders that were answered with 200, and when.
    pub(crate) acknowledged: Vec<(String, Instant)>,
    /// Other answers by their type; `none` when the connection broke.
    pub(crate) refused: BTreeMap<String, usize>,
}

/// Customers at work.
pub(crate) struct Crowd {
    customers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Answers>>,
}

impl Crowd {
    /// Customers who place orders one after the other, every second one with Idempotency-Keys that
    /// begin with `keys` and are sent again until they are answered.
    pub(crate) fn start(count: usize, port: u16, keys: &str) -> Crowd {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(Mutex::new(Answers::default()));
        let customer = |number: usize| {
            let keys = number.is_multiple_of(2).then(|| format!("{keys}-{number}"));
            tokio::spawn(customer(port, keys, stop.clone(), answers.clone()))
        };
        Crowd {
            customers: (0..count).map(customer).collect(),
            stop,
            answers,
        }
    }

    /// How many orders were acknowledged after this moment.
    pub(crate) fn served_after(&self, moment: Instant) -> usize {
        let answers = self.answers.lock().unwrap();
        let newest_first = answers.acknowledged.iter().rev();
        newest_first.take_while(|(_, at)| *at > moment).count()
    }

    /// Lets every customer finish.
    pub(crate) async fn stop(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        for customer in self.customers {
            customer.await.unwrap();
        }
        self.answers.lock().unwrap().clone()
    }
}

async fn customer(port: u16, keys: Option<String>, stop: Arc<AtomicBool>, answers: Arc<Mutex<Answers>>) {
    let mut connection: Option<Connection> = None;
    for order in 0.. {
        let mut request = order_request(ORDER);
        if let Some(keys) = &keys {
            request = request.header("Idempotency-Key", format!("{keys}-{order}"));
        }
        loop {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let answer = match &mut connection {
                Some(open) => open.exchange(&request).await.ok(),
                None => None,
            };
            let refusal = match answer {
                Some(answer) if answer.status() == 200 => {
                    let acknowledged = (answer.member("id"), Instant::now());
                    answers.lock().unwrap().acknowledged.push(acknowledged);
                    break;
                }
                Some(answer) => answer.member("type"),
                None if connection.is_none() => {
                    connection = Connection::open(("127.0.0.1", port)).await.ok();
                    continue;
                }
                None => {
                    connection = None;
                    "none".to_owned()
                }
            };
            *answers.lock().unwrap().refused.entry(refusal).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if keys.is_none() {
                break;
            }
        }
    }
}

/// Compares with the rows: every acknowledged order is there with its lines, and there is no half
/// order and no key without its order. Returns how many acknowledged orders were found.
pub(crate) async fn are_all_stored(client: &Client, ids: &[&String]) -> usize {
    let rows = client.query("SELECT id::text FROM orders", &[]).await.unwrap();
    let stored: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let lost: Vec<_> = ids.iter().filter(|id| !stored.contains(**id)).collect();
    let (lost_count, count) = (lost.len(), ids.len());
    assert!(lost.is_empty(), "{lost_count} of {count} are lost: {lost:?}");
    let halves =
        "SELECT count(*) FROM orders WHERE CASE WHEN id::text = ANY ($1) THEN 2 <> lines ELSE lines = 0 END";
    let halves = halves.replace(
        "lines",
        "(SELECT count(*) FROM order_items WHERE order_id = orders.id)",
    );
    let halves: i64 = client.query_one(&halves, &[&ids]).await.unwrap().get(0);
    assert_eq!(halves, 0, "half orders");
    let keys = "SELECT count(*) FROM idempotency_keys WHERE order_id NOT IN (SELECT id FROM orders)";
    let keys: i64 = client.query_one(keys, &[]).await.unwrap().get(0);
    assert_eq!(keys, 0, "keys without their order");
    let distinct: HashSet<&&String> = ids.iter().collect();
    assert_eq!(distinct.len(), count, "one id for two orders");
    distinct.iter().filter(|id| stored.contains(id.as_str())).count()
}
