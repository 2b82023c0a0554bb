//! A stream of orders, and the books that are kept about its answers.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use test_support::eventually;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::client::Connection;
use crate::harness::order_request;

/// Customers who place one order after the other until they are told to go home.
pub(super) struct Load {
    customers: Vec<JoinHandle<Books>>,
    closing: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// The answer with 200 by the order's id.
    accepted: BTreeMap<String, Value>,
    /// Ids of the orders without a key that may be stored.
    unknown: HashSet<String>,
    /// Answers by status and type.
    pub(super) answers: BTreeMap<(u16, String), usize>,
}

impl Load {
    /// So many customers; every other one sends an Idempotency-Key, and repeats what was not
    /// answered 200.
    pub(super) fn start(address: SocketAddr, customers: usize) -> Load {
        let closing = Arc::new(AtomicBool::new(false));
        let (taken, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let customer = |number| {
            let customer = Customer {
                number,
                address,
                closing: closing.clone(),
                taken: taken.clone(),
                answered: answered.clone(),
                books: Books::default(),
            };
            tokio::spawn(customer.order())
        };
        Load {
            customers: (0..customers).map(customer).collect(),
            closing,
            taken,
            answered,
        }
    }

    /// Waits until so many more requests are answered, whatever with.
    pub(super) async fn is_answered(&self, requests: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + requests;
        eventually("requests are answered", async || {
            self.answered.load(Ordering::Relaxed) >= wanted
        })
        .await;
    }

    /// Waits until so many more orders are taken.
    pub(super) async fn goes_on(&self, orders: usize) {
        let wanted = self.taken.load(Ordering::Relaxed) + orders;
        eventually("orders are taken", async || {
            self.taken.load(Ordering::Relaxed) >= wanted
        })
        .await;
    }

    /// Lets every customer finish and joins their books.
    pub(super) async fn close(self) -> Books {
        self.closing.store(true, Ordering::Relaxed);
        let mut books = Books::default();
        for customer in self.customers {
            let own = customer.await.expect("a customer who was always answered");
            books.accepted.extend(own.accepted);
            books.unknown.extend(own.unknown);
            for (answer, count) in own.answers {
                *books.answers.entry(answer).or_default() += count;
            }
        }
        books
    }
}

struct Customer {
    number: usize,
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    books: Books,
}

impl Customer {
    async fn order(mut self) -> Books {
        let mut connection = Connection::open(self.address).await;
        let mut order = 0;
        while !self.closing.load(Ordering::Relaxed) {
            order += 1;
            self.place(&mut connection, order).await;
        }
        self.books
    }

    async fn place(&mut self, connection: &mut Connection, order: usize) {
        let coupon = ["", "SAVE10", "LIMITED"][(self.number + order) % 3];
        let items = json!([{"productId": "7", "quantity": 1 + order % 3}, {"productId": "3", "quantity": 1}]);
        let request = order_request(json!({ "items": items, "couponCode": coupon }).to_string());
        let is_keyed = self.number.is_multiple_of(2);
        let request = match is_keyed {
            true => request.header("Idempotency-Key", format!("{}-{order}", self.number)),
            false => request,
        };
        loop {
            let answer = connection.exchange(&request).await;
            let (status, kind) = answer.error();
            *self.books.answers.entry((status, kind.clone())).or_default() += 1;
            self.answered.fetch_add(1, Ordering::Relaxed);
            let body = answer.json();
            match (status, kind.as_str()) {
                (200, _) => {
                    let id = body["id"].as_str().unwrap().to_owned();
                    let before = self.books.accepted.insert(id, body);
                    assert!(before.is_none(), "two orders with one id: {before:?}");
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                (503, "unavailable") | (409, "idempotency_key_in_use") => {}
                (503, "outcome_unknown") => {
                    if !is_keyed {
                        self.books
                            .unknown
                            .insert(body["orderId"].as_str().unwrap().to_owned());
                    }
                }
                _ => panic!("{answer:?}"),
            }
            if !is_keyed {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Books {
    /// Fails the test unless every order that was answered 200 is stored once and as it was
    /// answered, and no other but those whose outcome is unknown. Returns how many of the latter
    /// are stored.
    #[expect(clippy::print_stdout, reason = "`make soak` shows the counts")]
    pub(super) async fn agree_with(&self, client: &Client) -> usize {
        let busy =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'order-food' AND state <> 'idle'
                        AND datname = current_database()";
        eventually("no request is in progress any more", async || {
            client.query_one(busy, &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
        let orders = "SELECT id::text, (total * 100)::bigint, count(order_id), sum(quantity), sum(quantity * unit_price) = subtotal
                      FROM orders LEFT JOIN order_items ON order_id = id GROUP BY id";
        let mut unknown = 0;
        let mut stored = HashSet::new();
        for row in client.query(orders, &[]).await.unwrap() {
            let id: String = row.get(0);
            assert_eq!(
                (row.get::<_, i64>(2), row.get(4)),
                (2, Some(true)),
                "{id} is not whole"
            );
            match self.accepted.get(&id) {
                Some(answer) => {
                    let units: i64 = answer["items"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|item| item["quantity"].as_i64().unwrap())
                        .sum();
                    assert_eq!(cents(&answer["total"]), row.get::<_, i64>(1), "{id}");
                    assert_eq!(units, row.get::<_, i64>(3), "{id}");
                }
                None => {
                    assert!(
                        self.unknown.contains(&id),
                        "{id} is stored and was not answered 200"
                    );
                    unknown += 1;
                }
            }
            stored.insert(id);
        }
        for id in self.accepted.keys() {
            assert!(stored.contains(id), "{id} was answered 200 and is not stored");
        }
        let uses = "SELECT coalesce((SELECT sum(uses) FROM promotion_uses), 0)::bigint, count(*)
                    FROM orders WHERE coupon_code = 'LIMITED'";
        let row = client.query_one(uses, &[]).await.unwrap();
        assert_eq!(
            row.get::<_, i64>(0),
            row.get::<_, i64>(1),
            "uses counted, orders stored"
        );
        let lost = "SELECT count(*) FROM idempotency_keys WHERE order_id NOT IN (SELECT id FROM orders)";
        assert_eq!(client.query_one(lost, &[]).await.unwrap().get::<_, i64>(0), 0);
        let orphans = "SELECT count(*) FROM order_items WHERE order_id NOT IN (SELECT id FROM orders)";
        assert_eq!(client.query_one(orphans, &[]).await.unwrap().get::<_, i64>(0), 0);
        println!(
            "{:?}; {} accepted, {unknown} of {} unknown ones stored",
            self.answers,
            self.accepted.len(),
            self.unknown.len()
        );
        unknown
    }

    /// Fails the test unless every answer was a 200.
    pub(super) fn are_all_accepted(&self) {
        assert_eq!(
            self.answers.keys().map(|(status, _)| *status).collect::<Vec<_>>(),
            [200],
            "{:?}",
            self.answers
        );
    }
}

fn cents(amount: &Value) -> i64 {
    (amount.as_f64().unwrap() * 100.0).round() as i64
}
