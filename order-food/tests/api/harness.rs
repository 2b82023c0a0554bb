//! The real server on a port of its own, on a database of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use chrono::{DateTime, Utc};
use order_food::{Application, Settings};
use process::failure::{ExitCode, Failure};
use process::telemetry::RequestSampler;
use serde_json::Value;
use test_support::{TestDatabase, eventually};
use tokio_util::sync::CancellationToken;

use crate::builders::OrderBuilder;
use crate::client::{Answer, Connection, Request};
use crate::fixtures::{self, APITEST, HASH_KEYS};

/// A server with its database. It stops when this is dropped.
pub(crate) struct TestApp {
    pub(crate) server: Server,
    pub(crate) database: TestDatabase,
}

/// The server alone.
pub(crate) struct Server {
    address: SocketAddr,
    console: Option<SocketAddr>,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<Result<ExitCode, Failure>>>,
}

/// Settings of a test: the defaults, on any free port.
pub(crate) fn settings(database: database::Settings) -> Settings {
    let mut settings: Settings = process::settings::load(&process::settings::Source {
        defaults: include_str!("../../config/default.toml"),
        file: None,
        environment: Vec::new(),
    })
    .unwrap();
    settings.bind_address = "127.0.0.1".into();
    settings.port = 0;
    settings.http_workers = 1;
    settings.drain_wait_s = 0;
    settings.api_key_hash_key = Some(HASH_KEYS.into());
    settings.database = database;
    settings
}

impl Server {
    /// Starts on a thread with a runtime of its own, as `main` does.
    pub(crate) fn start(settings: Settings) -> Server {
        Server::start_with(settings, || ())
    }

    /// The same, with what `prepare` gives alive on the server's thread.
    pub(crate) fn start_with<T>(settings: Settings, prepare: impl FnOnce() -> T + Send + 'static) -> Server {
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let (ports, port) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _prepared = prepare();
            actix_web::rt::System::new().block_on(async move {
                let application = Application::build(settings, RequestSampler::off(), token)?;
                ports
                    .send((application.port(), application.console_port()))
                    .unwrap();
                application.run(tracing::Span::none()).await
            })
        });
        let (port, console) = port.recv().expect("a server that starts");
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Server {
            address: at(port),
            console: console.map(at),
            shutdown,
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the console is.
    pub(crate) fn console(&self) -> SocketAddr {
        self.console.expect("a server with a console")
    }

    /// What SIGTERM does.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// How `run` ended, once it did.
    pub(crate) async fn ended(&mut self) -> Result<ExitCode, Failure> {
        let thread = self.thread.take().expect("a server that was not awaited yet");
        eventually("the server's end", async || thread.is_finished()).await;
        thread.join().unwrap()
    }

    /// Sends a request on a connection of its own; the answer is checked as every exchange is.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        Connection::open(self.address).await.exchange(request).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(&Request::get(target)).await
    }

    /// A metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> usize {
        let text = self.get("/metrics").await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .parse()
            .unwrap()
    }

    /// Waits until the writer has so many connections for either kind of orders.
    pub(crate) async fn until_writer_has(&self, connections: usize) {
        for orders in ["limited", "unlimited"] {
            let name = format!("order_writer_connections{{orders=\"{orders}\"}}");
            eventually(&format!("{name} {connections}"), async || {
                self.metric(&name).await == connections
            })
            .await;
        }
    }

    /// Waits until `/ready` answers with this status.
    pub(crate) async fn until_ready_is(&self, status: u16) {
        eventually(&format!("/ready {status}"), async || {
            self.get("/ready").await.status() == status
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end is not waited for: it takes a while, and the next test has a server of its own.
        self.shutdown.cancel();
    }
}

impl TestApp {
    /// A ready server over the rows of `fixtures`.
    pub(crate) async fn start() -> TestApp {
        TestApp::with(|_| ()).await
    }

    /// The same with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> TestApp {
        TestApp::ready_over(fixtures::database().await, change).await
    }

    /// A ready server over this database.
    pub(crate) async fn ready_over(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> TestApp {
        let app = TestApp::over(database, change);
        app.server.until_ready_is(200).await;
        app
    }

    /// A server over a database as it is, ready or not.
    pub(crate) fn over(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> TestApp {
        let mut settings = settings(database.settings());
        change(&mut settings);
        TestApp {
            server: Server::start(settings),
            database,
        }
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        self.server.send(request).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.server.get(target).await
    }

    /// GET with an API key.
    pub(crate) async fn get_as(&self, key: &str, target: &str) -> Answer {
        self.send(&Request::get(target).header("api_key", key)).await
    }

    /// POST of a body to `/api/order` with the key `apitest`.
    pub(crate) async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.send(&order_request(body)).await
    }

    pub(crate) async fn connection(&self) -> Connection {
        Connection::open(self.server.address()).await
    }

    /// Orders in the database.
    pub(crate) async fn order_count(&self) -> usize {
        let count = self.database.value("SELECT count(*) FROM orders").await;
        count.parse().unwrap()
    }

    /// Changes data as `database-load` does, and waits until the server serves them.
    pub(crate) async fn publish(&self, sql: &str) {
        self.database
            .execute(&format!(
                "BEGIN; {sql}; UPDATE dataset_versions SET activated_at = clock_timestamp() WHERE state = 'active';
                 NOTIFY dataset_published, '1'; COMMIT"
            ))
            .await;
        let published =
            "SELECT to_char(max(activated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.USZ')
                         FROM dataset_versions WHERE state = 'active'";
        let published = instant(&self.database.value(published).await);
        eventually("the published data are served", async || {
            let ready = self.get("/ready").await.json();
            ready["publishedAt"].as_str().map(instant) == Some(published)
        })
        .await;
    }

    /// Expects that a rule of this name says no to the order, and that none was stored.
    pub(crate) async fn rejects(&self, order: OrderBuilder<'_>, rule: &str) -> Value {
        self.refuses(&order.request(), 422, rule).await
    }

    /// Expects an error with this status and type, and that no order was stored.
    pub(crate) async fn refuses(&self, request: &Request, status: u16, kind: &str) -> Value {
        let answer = self.send(request).await;
        assert_eq!(answer.error(), (status, kind.to_owned()), "{request:?}");
        assert_eq!(self.order_count().await, 0, "{request:?}");
        answer.json()
    }
}

/// POST of a body to `/api/order` with the key `apitest`.
pub(crate) fn order_request(body: impl AsRef<[u8]>) -> Request {
    keyless_order_request(body).header("api_key", APITEST)
}

/// The same without a key.
pub(crate) fn keyless_order_request(body: impl AsRef<[u8]>) -> Request {
    Request::new("POST", "/api/order").json(body)
}

fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().into()
}
