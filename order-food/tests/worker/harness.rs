//! Workers as processes, and the commands of operators.

use serde_json::Value;
use test_support::{Output, Process, TestDatabase, eventually};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_order-food");

/// A worker that runs.
pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) port: u64,
}

impl Worker {
    /// Starts a worker that is quick in all that tests wait for; its log is JSON.
    pub(crate) async fn start(url: &str, environment: &[(&str, &str)]) -> Worker {
        let mut all = vec![
            ("DATABASE_URL", url),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("JOBS_POLL_MS", "100"),
            ("JOBS_HEARTBEAT_MS", "300"),
            ("SHUTDOWN_TIMEOUT", "5"),
            ("LOG_FORMAT", "json"),
        ];
        all.extend_from_slice(environment);
        let mut process = Process::spawn(PROGRAM, ["worker"], &all);
        process.wait_for_text(r#""message":"listening""#).await;
        let port = lines(&process)
            .iter()
            .find_map(|line| line["port"].as_u64())
            .unwrap();
        Worker { process, port }
    }

    /// The same, ready.
    pub(crate) async fn ready(url: &str, environment: &[(&str, &str)]) -> Worker {
        let worker = Worker::start(url, environment).await;
        eventually("the worker is ready", async || {
            worker.get("/q/health/ready").await.code == Some(0)
        })
        .await;
        worker
    }

    /// GET by the program's own probe: exit code 0 for a 2xx, the body on standard output.
    pub(crate) async fn get(&self, path: &str) -> Output {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        Process::spawn(PROGRAM, ["health", "--url", &url], &[])
            .wait_output()
            .await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.stdout).unwrap()
    }

    /// The sum of the series whose line starts with this.
    pub(crate) async fn metric(&self, start: &str) -> f64 {
        let text = self.get("/q/metrics").await.stdout;
        text.lines()
            .filter(|line| line.starts_with(start))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        lines(&self.process)
    }

    /// Ends it with SIGTERM.
    pub(crate) async fn stop(self) -> Output {
        self.process.signal("TERM");
        self.process.wait_output().await
    }
}

/// Runs `order-food jobs …`.
pub(crate) async fn jobs(database: &TestDatabase, arguments: &[&str]) -> Output {
    jobs_with(database, arguments, &[]).await
}

pub(crate) async fn jobs_with(
    database: &TestDatabase,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Output {
    let mut all = vec![("DATABASE_URL", database.url())];
    all.extend_from_slice(environment);
    let arguments = ["jobs"].iter().chain(arguments);
    Process::spawn(PROGRAM, arguments, &all).wait_output().await
}

/// The same with `--json`, as JSON.
pub(crate) async fn jobs_json(database: &TestDatabase, arguments: &[&str]) -> Value {
    let output = jobs(database, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

pub(crate) async fn until(database: &TestDatabase, what: &str, sql: &str, expected: &str) {
    eventually(what, async || database.value(sql).await == expected).await;
}

fn lines(process: &Process) -> Vec<Value> {
    process
        .said()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
