//! Orders that keep coming: each is repeated under its Idempotency-Key until it is answered 200.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::http::{self, Request};

use crate::pod::order_request;
use tokio::task::JoinSet;

pub(super) const ORDER: &str =
    r#"{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}],"couponCode":"SAVE10"}"#;

/// What was answered so far.
#[derive(Clone, Default)]
pub(super) struct Log {
    /// The status of each attempt; 0 is a connection that was refused or broke off.
    pub(super) answers: Vec<u16>,
    /// Orders that were answered 200 in the end.
    pub(super) finished: usize,
}

impl Log {
    pub(super) fn count(&self, is_counted: impl Fn(u16) -> bool) -> usize {
        self.answers.iter().filter(|status| is_counted(**status)).count()
    }
}

/// Four customers.
pub(super) struct Traffic {
    log: Arc<Mutex<Log>>,
    stop: Arc<AtomicBool>,
    customers: JoinSet<()>,
}

/// A request on a connection of its own.
pub(super) async fn status(port: u16, request: &Request) -> u16 {
    let exchange = http::ask(("127.0.0.1", port), request);
    match tokio::time::timeout(Duration::from_secs(30), exchange).await {
        Ok(Ok(answer)) => answer.status(),
        _ => 0,
    }
}

impl Traffic {
    /// Sends to the ports in turn, to those that say they are ready, as a load balancer does.
    pub(super) fn start(ports: &[u16]) -> Traffic {
        let mut traffic = Traffic {
            log: Arc::default(),
            stop: Arc::default(),
            customers: JoinSet::new(),
        };
        for customer in 0..4 {
            let (log, stop, ports) = (traffic.log.clone(), traffic.stop.clone(), ports.to_vec());
            traffic.customers.spawn(async move {
                let mut ports = ports.into_iter().cycle();
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let key = format!("{}-{customer}-{number}", std::process::id());
                    let order = order_request(ORDER).header("Idempotency-Key", &key);
                    for port in ports.by_ref() {
                        if status(port, &Request::get("/ready")).await != 200 {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            continue;
                        }
                        let answer = status(port, &order).await;
                        log.lock().unwrap().answers.push(answer);
                        if answer == 200 {
                            break;
                        }
                    }
                    log.lock().unwrap().finished += 1;
                }
            });
        }
        traffic
    }

    /// Waits until so many more orders were answered 200.
    pub(super) async fn flows(&self, more: usize) {
        let good = || self.log.lock().unwrap().count(|status| status == 200);
        let before = good();
        super::within(120, "traffic flows", async || good() >= before + more).await;
    }

    /// Lets every customer bring the order that was begun to its end.
    pub(super) async fn end(self) -> Log {
        self.stop.store(true, Ordering::Relaxed);
        self.customers.join_all().await;
        self.log.lock().unwrap().clone()
    }
}
