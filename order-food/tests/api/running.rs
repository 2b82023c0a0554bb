//! The program, serving: for what only its log tells.

use std::net::SocketAddr;

use serde_json::Value;
use test_support::{Output, Process, eventually};

use crate::client::{Answer, Connection, Request};
use crate::fixtures::HASH_KEYS;

/// The program with its address.
pub(crate) struct Running {
    process: Process,
    address: SocketAddr,
}

impl Running {
    /// The program on a free port, ready; its log is JSON.
    pub(crate) async fn start(url: &str, environment: &[(&str, &str)]) -> Running {
        let mut all = vec![
            ("DATABASE_URL", url),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("DRAIN_WAIT", "0"),
            ("HTTP_WORKERS", "1"),
            ("API_KEY_HASH_KEY", HASH_KEYS),
            ("LOG_FORMAT", "json"),
        ];
        all.extend_from_slice(environment);
        let mut process = Process::spawn(env!("CARGO_BIN_EXE_order-food"), ["serve"], &all);
        let port = process.port("listening").await;
        let running = Running {
            process,
            address: ([127, 0, 0, 1], port).into(),
        };
        eventually("the program is ready", async || {
            running.send(&Request::get("/ready")).await.status() == 200
        })
        .await;
        running
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        Connection::open(self.address).await.exchange(request).await
    }

    /// What the program has logged so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.process.json_lines()
    }

    /// The lines that have this value in this field, up to the access line of a request.
    pub(crate) async fn lines_with(&self, field: &str, value: &str) -> Vec<Value> {
        let found = || -> Vec<Value> {
            let mut lines = self.lines();
            lines.retain(|line| line[field] == value);
            lines
        };
        eventually("the access line is written", async || {
            found().iter().any(|line| line["target"] == "access")
        })
        .await;
        found()
    }

    /// Ends it with SIGTERM.
    pub(crate) async fn stop(self) -> Output {
        self.process.signal("TERM");
        self.process.wait_output().await
    }
}
