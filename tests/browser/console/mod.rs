//! The operator console in a real browser, with scripts and without.

mod attacks;
mod board;
mod pages;

use serde_json::json;
use test_support::http::{self, Answer, Request};
use test_support::{Data, OwnCluster, Process, Worker, binary, eventually};

use crate::browser::{Browser, Scripts};
use crate::shop::selling;

/// Keys of the sample data.
const CUSTOMER: &str = "apitest";
const STAFF: &str = "stafftest";

/// A server with a console, on a PostgreSQL of its own.
pub(crate) struct Kitchen {
    cluster: OwnCluster,
    server: Replica,
    folder: Data,
}

/// One process of order-food.
struct Replica {
    _process: Process,
    port: u16,
    console: u16,
}

impl Kitchen {
    /// With the ten products of the default profile.
    async fn open() -> Kitchen {
        Kitchen::selling(None).await
    }

    /// With these products: lines of `id,name,price,category,image_thumbnail`.
    async fn selling(products: Option<&str>) -> Kitchen {
        let folder = products.map_or_else(Data::copy, selling);
        let cluster = OwnCluster::start();
        for program in ["database-migration", "database-load"] {
            let data = folder.folder().to_str().expect("a path of UTF-8");
            let url = cluster.url();
            let environment = [("DATABASE_URL", url.as_str()), ("DATA_DIR", data)];
            let output = Process::spawn(binary(program), [""; 0], &environment)
                .wait_output()
                .await;
            assert_eq!(output.code, Some(0), "{program}: {}", output.stderr);
        }
        let server = Replica::start(&cluster.url(), &folder).await;
        Kitchen {
            cluster,
            server,
            folder,
        }
    }

    /// Another process on the same database.
    async fn replica(&self) -> Replica {
        Replica::start(&self.cluster.url(), &self.folder).await
    }

    async fn worker(&self) -> Worker {
        Worker::ready(binary("order-food"), &self.cluster.url(), &[]).await
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.console)
    }

    /// Somebody who is not logged in.
    async fn stranger(&self, scripts: Scripts) -> Browser {
        Browser::start(&self.origin(), scripts).await
    }

    /// Somebody who may do everything, on the first page.
    async fn operator(&self, scripts: Scripts) -> Browser {
        let browser = self.stranger(scripts).await;
        browser.open("/login").await;
        browser.fill("#f-key", STAFF).await;
        browser.click("form.fields button").await;
        browser.shows("h1", "Orders").await;
        browser
    }

    async fn execute(&self, sql: &str) {
        self.cluster.client().await.batch_execute(sql).await.expect(sql);
    }

    /// The first value of the first row, as text.
    async fn value(&self, sql: &str) -> String {
        let row = self
            .cluster
            .client()
            .await
            .query_one(&format!("SELECT ({sql})::text"), &[])
            .await;
        row.expect(sql).get(0)
    }

    /// Places an order of two of a product; its id.
    async fn order(&self, product: u32) -> String {
        self.server.order(product).await
    }
}

impl Replica {
    async fn start(database: &str, folder: &Data) -> Replica {
        let exports = folder.folder().join("exports");
        let environment = [
            ("DATABASE_URL", database),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("PORT", "0"),
            ("CONSOLE_PORT", "0"),
            ("HTTP_WORKERS", "1"),
            ("REFRESH_INTERVAL", "1"),
            ("DRAIN_WAIT", "0"),
            ("LOG_FORMAT", "json"),
            ("REPORT_LOCATION", exports.to_str().expect("a path of UTF-8")),
        ];
        let mut process = Process::spawn(binary("order-food"), [""; 0], &environment);
        let replica = Replica {
            port: process.port("listening").await,
            console: process.port("the console listens").await,
            _process: process,
        };
        eventually("the server is ready", async || {
            replica.ask(&Request::get("/ready")).await.status() == 200
        })
        .await;
        replica
    }

    async fn order(&self, product: u32) -> String {
        let body = json!({ "items": [{ "productId": product.to_string(), "quantity": 2 }] }).to_string();
        let request = Request::post("/api/order", body).header("api_key", CUSTOMER);
        let answer = self.ask(&request).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.member("id")
    }

    /// Changes the status of an order.
    async fn change(&self, order: &str, status: &str) {
        let request = Request::new("PUT", &format!("/api/order/{order}/status"));
        let body = json!({ "status": status }).to_string();
        let answer = self.ask(&request.header("api_key", STAFF).json(body)).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
    }

    /// Streams of events that are open.
    async fn streams(&self) -> String {
        let metrics = self.ask(&Request::get("/metrics")).await.text();
        let streams = metrics
            .lines()
            .find_map(|line| line.strip_prefix("event_streams "));
        streams.expect("the metric").to_owned()
    }

    async fn ask(&self, request: &Request) -> Answer {
        let answer = http::ask(("127.0.0.1", self.port), request).await;
        answer.expect("an answer")
    }
}
