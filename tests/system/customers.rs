//! Customers who place orders one after another, all at the same time.

use test_support::http::{Answer, Connection, Request};
use test_support::{TestDatabase, eventually};
use tokio::task::JoinHandle;

/// The answers that one customer got, in the order of the requests.
pub(crate) struct Answered {
    pub(crate) answers: Vec<Answer>,
    /// Whether the server announced the end of the connection with the last answer; false if the
    /// connection broke or was closed between two requests.
    pub(crate) is_announced: bool,
}

/// Customers on a connection each; they go on until the server closes it.
pub(crate) struct Customers(Vec<JoinHandle<Answered>>);

impl Customers {
    /// `order` makes the request from the numbers of the customer and of the order.
    pub(crate) fn start<F>(count: usize, port: u16, order: F) -> Customers
    where
        F: Fn(usize, usize) -> Request + Clone + Send + 'static,
    {
        let start = |customer| {
            let order = order.clone();
            tokio::spawn(async move {
                let mut connection = Connection::open(("127.0.0.1", port)).await.unwrap();
                let mut answers = Vec::new();
                let mut is_announced = false;
                while !is_announced
                    && let Ok(answer) = connection.exchange(&order(customer, answers.len())).await
                {
                    is_announced = answer.header("connection") == Some("close");
                    answers.push(answer);
                }
                Answered {
                    answers,
                    is_announced,
                }
            })
        };
        Customers((0..count).map(start).collect())
    }

    /// Waits until every connection is closed; one item per customer.
    pub(crate) async fn finish(self) -> Vec<Answered> {
        let mut all = Vec::new();
        for customer in self.0 {
            all.push(customer.await.unwrap());
        }
        all
    }
}

/// Waits until `count`, a query, answers at least `least`.
pub(crate) async fn stored(database: &TestDatabase, count: &str, least: u32) {
    eventually("orders are stored", async || {
        database.value(count).await.parse::<u32>().unwrap() >= least
    })
    .await;
}
