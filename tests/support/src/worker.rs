//! `order-food worker` as a child process.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::eventually;
use crate::process::{Output, Process};

/// A worker that runs; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    /// Its process.
    pub process: Process,
    /// TCP port of its probes and metrics.
    pub port: u16,
    program: PathBuf,
}

impl Worker {
    /// Starts the worker of `program`, the binary `order-food`, on the database at `url`. It is
    /// quick in all that tests wait for unless `environment` says otherwise; its log is JSON.
    pub async fn start(program: impl AsRef<Path>, url: &str, environment: &[(&str, &str)]) -> Worker {
        let program = program.as_ref();
        let mut all = vec![
            ("DATABASE_URL", url),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("DRAIN_WAIT", "0"),
            ("JOBS_POLL_MS", "100"),
            ("JOBS_HEARTBEAT_MS", "300"),
            ("SHUTDOWN_TIMEOUT", "5"),
            ("LOG_FORMAT", "json"),
        ];
        all.extend_from_slice(environment);
        let mut process = Process::spawn(program, ["worker"], &all);
        Worker {
            port: process.port("listening").await,
            process,
            program: program.to_owned(),
        }
    }

    /// As [`Worker::start`]; returns once the worker is ready.
    pub async fn ready(program: impl AsRef<Path>, url: &str, environment: &[(&str, &str)]) -> Worker {
        let worker = Worker::start(program, url, environment).await;
        eventually("the worker is ready", async || {
            worker.get("/q/health/ready").await.code == Some(0)
        })
        .await;
        worker
    }

    /// GET by the program's own probe: exit code 0 for a 2xx, the body on standard output.
    pub async fn get(&self, path: &str) -> Output {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        Process::spawn(&self.program, ["health", "--url", &url], &[])
            .wait_output()
            .await
    }

    /// The body of an answer as JSON.
    pub async fn json(&self, path: &str) -> Value {
        let body = self.get(path).await.stdout;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// The sum of the series whose line starts with this.
    pub async fn metric(&self, start: &str) -> f64 {
        let text = self.get("/q/metrics").await.stdout;
        text.lines()
            .filter(|line| line.starts_with(start))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Ends it with SIGTERM.
    pub async fn stop(self) -> Output {
        self.process.signal("TERM");
        self.process.wait_output().await
    }
}
