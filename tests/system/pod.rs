//! One pod: the programs of its two init containers and of its container, with one environment.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use test_support::http::{self, Answer, Request};
use test_support::{Output, Process, SHIPPED, TestDatabase, binary};
use tokio::net::TcpStream;

pub(crate) const MIGRATION: &str = "database-migration";
pub(crate) const LOAD: &str = "database-load";
pub(crate) const API: &str = "order-food";

/// All three programs.
pub(crate) const ALL: [&str; 3] = [MIGRATION, LOAD, API];

/// Where the programs of this build are.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let [program, ..] = ALL.map(binary);
    program.parent().expect("a program lies in a folder").to_owned()
});

/// The programs of a pod and their environment.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    programs: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// An order placed with the sample key.
pub(crate) fn order_request(body: impl ToString) -> Request {
    Request::post("/api/order", body.to_string()).header("api_key", "apitest")
}

/// A running API, or a worker.
pub(crate) struct Api {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

impl Pod {
    /// A pod that uses `database` and loads the shipped data.
    pub(crate) fn on(database: &TestDatabase) -> Pod {
        Pod::at(database.url())
    }

    pub(crate) fn at(url: &str) -> Pod {
        let environment = [
            ("DATABASE_URL", url),
            ("DATA_DIR", SHIPPED),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("HTTP_WORKERS", "1"),
            ("DRAIN_WAIT", "0"),
            ("LOG_FORMAT", "json"),
        ];
        Pod {
            // Built before any clock runs.
            programs: PROGRAMS.clone(),
            environment: environment.map(|(name, value)| (name, value.to_owned())).into(),
        }
    }

    /// A pod for tests that never reach a database.
    pub(crate) fn without_database() -> Pod {
        Pod::at("postgres://nobody@127.0.0.1:1/nothing")
    }

    /// The same environment for programs of another build.
    pub(crate) fn programs(mut self, folder: PathBuf) -> Pod {
        self.programs = folder;
        self
    }

    /// A pod that has its data and serves them.
    pub(crate) async fn ready(database: &TestDatabase) -> (Pod, Api) {
        let pod = Pod::on(database);
        pod.load().await;
        let api = pod.serve().await;
        (pod, api)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Pod {
        self.environment.retain(|(set, _)| *set != name);
        self.environment.push((name, value.to_string()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Pod {
        self.environment.retain(|(set, _)| *set != name);
        self
    }

    pub(crate) fn data(self, folder: &Path) -> Pod {
        self.with("DATA_DIR", folder.display())
    }

    /// Starts one of the programs.
    pub(crate) fn start(&self, program: &str, arguments: &[&str]) -> Process {
        self.spawn(&self.programs.join(program), arguments)
    }

    fn spawn(&self, program: &Path, arguments: &[&str]) -> Process {
        let environment = self.environment.iter();
        let environment: Vec<_> = environment.map(|(name, value)| (*name, value.as_str())).collect();
        Process::spawn(program, arguments, &environment)
    }

    /// Runs one of the programs to its end, whatever that is.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.start(program, arguments).wait_output().await
    }

    /// Runs shell commands in `folder`; the programs are found by their names.
    pub(crate) async fn shell(&self, folder: &Path, commands: &str) -> Output {
        let (programs, folder) = (self.programs.display(), folder.display());
        let script = format!("set -euo pipefail; PATH={programs}:$PATH; cd {folder}\n{commands}");
        let shell = self.spawn(Path::new("/bin/bash"), &["-c", &script]);
        shell.wait_output().await
    }

    /// The first init container.
    pub(crate) async fn migrate(&self) -> Output {
        self.done(MIGRATION).await
    }

    /// The second init container.
    pub(crate) async fn load(&self) -> Output {
        self.done(LOAD).await
    }

    async fn done(&self, program: &str) -> Output {
        let output = self.run(program, &[]).await;
        assert_eq!(output.code, Some(0), "{program}: {}", output.stderr);
        output
    }

    /// Both init containers, then the API.
    pub(crate) async fn bring_up(&self) -> Api {
        self.migrate().await;
        self.load().await;
        self.serve().await
    }

    /// The API, listening and ready.
    pub(crate) async fn serve(&self) -> Api {
        let api = self.listen().await;
        api.becomes_ready().await;
        api
    }

    /// A worker, ready. Its probes and metrics are asked as those of the API are.
    pub(crate) async fn work(&self) -> Api {
        let worker = self.listening(&["worker"]).await;
        test_support::eventually("the worker is ready", async || {
            worker.get("/q/health/ready").await.status() == 200
        })
        .await;
        worker
    }

    /// The API, listening.
    pub(crate) async fn listen(&self) -> Api {
        self.listening(&[]).await
    }

    async fn listening(&self, arguments: &[&str]) -> Api {
        let mut process = self.start(API, arguments);
        let port = process.port("listening").await;
        Api { process, port }
    }
}

impl Api {
    pub(crate) async fn becomes_ready(&self) {
        test_support::eventually("the API is ready", async || {
            self.get("/ready").await.status() == 200
        })
        .await;
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        let answer = http::ask(("127.0.0.1", self.port), request).await;
        answer.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&Request::get(path)).await
    }

    /// Reads with the sample key.
    pub(crate) async fn get_own(&self, path: &str) -> Answer {
        self.send(&Request::get(path).header("api_key", "apitest")).await
    }

    pub(crate) async fn order(&self, body: impl ToString) -> Answer {
        self.send(&order_request(body)).await
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) async fn stop(self) -> Output {
        self.process.signal("TERM");
        self.process.wait_output().await
    }

    /// Whether the port is closed.
    pub(crate) async fn is_closed(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).await.is_err()
    }
}
