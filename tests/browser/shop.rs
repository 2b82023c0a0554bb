//! A shop that is open: the three programs on a database of a test's own.

use std::path::Path;
use std::time::{Duration, Instant};

use test_support::http::{self, Answer, Request};
use test_support::{Data, Process, SHIPPED, TestDatabase, binary, free_port};

use crate::browser::{Browser, Scripts};

/// The API key row of the sample data for which the storefront orders.
const SELLER: &str = "018f4e5a-0000-7000-8000-0000000000c0";

/// The sample key of the kitchen.
const STAFF: &str = "stafftest";

pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    /// `None` after [`Shop::crash`].
    process: Option<Process>,
    environment: Vec<(String, String)>,
    _data: Option<Data>,
    port: u16,
}

impl Shop {
    /// A shop with the ten products of the default profile.
    pub(crate) async fn open() -> Shop {
        Shop::of(None, &[]).await
    }

    /// A shop with the 200 products of the demo profile.
    pub(crate) async fn large() -> Shop {
        Shop::of(None, &[("PROFILES", "demo")]).await
    }

    /// A shop with these products: lines of `id,name,price,category,image_thumbnail`.
    pub(crate) async fn selling(products: &str) -> Shop {
        Shop::of(Some(selling(products)), &[]).await
    }

    /// With data of its own, or those that are shipped.
    async fn of(own: Option<Data>, settings: &[(&str, &str)]) -> Shop {
        let load = binary("database-load");
        let database = TestDatabase::migrated().await;
        let data = own.as_ref().map_or(Path::new(SHIPPED), Data::folder);
        let data = data.to_str().expect("a path of UTF-8");
        let mut environment = vec![
            ("DATABASE_URL", database.url()),
            ("DATA_DIR", data),
            ("STOREFRONT_KEY_ID", SELLER),
            ("CURRENCY", "USD"),
            ("BIND_ADDRESS", "127.0.0.1"),
            ("HTTP_WORKERS", "1"),
            ("DRAIN_WAIT", "0"),
            ("LOG_FORMAT", "json"),
        ];
        environment.extend(settings);
        let loaded = Process::spawn(load, [""; 0], &environment).wait_output().await;
        assert_eq!(loaded.code, Some(0), "database-load: {}", loaded.stderr);
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut shop = Shop {
            database,
            process: None,
            environment,
            _data: own,
            port: free_port(),
        };
        shop.start().await;
        shop
    }

    /// Starts the server, at the port that is its own for good.
    pub(crate) async fn start(&mut self) {
        let at = self.port.to_string();
        let mut environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        environment.push(("PORT", &at));
        let mut process = Process::spawn(binary("order-food"), [""; 0], &environment);
        process.port("listening").await;
        self.process = Some(process);
        test_support::eventually("the shop is ready", async || self.is_ready().await).await;
    }

    /// Kills the server with SIGKILL: it finishes nothing and says nothing.
    pub(crate) async fn crash(&mut self) {
        let process = self.process.take().expect("a server that runs");
        process.signal("KILL");
        assert_eq!(process.wait_output().await.signal, Some(9));
    }

    /// The kitchen moves the order with this page to a state.
    pub(crate) async fn kitchen(&self, order: &str, body: &str) {
        let id = order.split(['/', '.']).nth(2).expect("an address of an order");
        let request = Request::new("PUT", &format!("/api/order/{id}/status"));
        let answer = self.exchange(&request.header("api_key", STAFF).json(body)).await;
        assert!(
            answer.is_ok_and(|answer| answer.status() == 200),
            "{order} {body}"
        );
    }

    /// Waits until so many streams of events are open. That a browser closed one shows when the
    /// second comment cannot be sent, after 30 s.
    pub(crate) async fn streams_are(&self, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let open = self.metric("event_streams").await;
            if open == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{open} streams are open, not {wanted}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn metric(&self, name: &str) -> String {
        let answer = self.exchange(&Request::get("/metrics")).await;
        let answer = answer.expect("an answer").text();
        let mut lines = answer.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(metric, _)| *metric == name);
        found.expect("the metric").1.to_owned()
    }

    /// Where browsers see the shop.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A browser of somebody who was never here.
    pub(crate) async fn visitor(&self, scripts: Scripts) -> Browser {
        Browser::start(&self.origin(), scripts).await
    }

    /// How many orders are stored that the sample data did not bring.
    pub(crate) async fn orders(&self) -> usize {
        let sql = format!("SELECT count(*) FROM orders WHERE api_key_id = '{SELLER}'");
        self.database.value(&sql).await.parse().expect("a number")
    }

    /// What the server answers.
    async fn exchange(&self, request: &Request) -> std::io::Result<Answer> {
        http::ask(("127.0.0.1", self.port), request).await
    }

    /// Where the server listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether `GET /ready` answers 200.
    async fn is_ready(&self) -> bool {
        let ready = self.exchange(&Request::get("/ready")).await;
        ready.is_ok_and(|answer| answer.status() == 200)
    }
}

/// The shipped data with these products: lines of `id,name,price,category,image_thumbnail`.
pub(crate) fn selling(products: &str) -> Data {
    let data = Data::copy();
    let heading = "id,name,price,category,image_thumbnail\n";
    data.write("default/products.csv", &format!("{heading}{products}"));
    data.write("default/orders.jsonl", "");
    data
}
