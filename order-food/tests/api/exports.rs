//! Reports and exports with a real worker beside the API.

use std::io::Read as _;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use test_support::{Worker, eventually};

use crate::client::{Answer, Request};
use crate::fixtures::{ANALYST, PANCAKES, PIZZA};
use crate::harness::TestApp;
use crate::reports::app_with_exports;

/// An API and a worker that share a folder.
struct Shop {
    app: TestApp,
    _worker: Worker,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn start(environment: &[(&str, &str)]) -> Shop {
        let (app, folder) = app_with_exports().await;
        let location = folder.path().to_str().unwrap();
        let all = [&[("REPORT_LOCATION", location)], environment].concat();
        let worker = Worker::start(env!("CARGO_BIN_EXE_order-food"), app.database.url(), &all).await;
        Shop {
            app,
            _worker: worker,
            _folder: folder,
        }
    }

    async fn export(&self, body: Value) -> String {
        let request = Request::new("POST", "/api/report/export")
            .header("api_key", ANALYST)
            .json(body.to_string());
        let answer = self.app.send(&request).await;
        assert_eq!(answer.status(), 202, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    async fn get(&self, target: &str) -> Answer {
        self.app.get_as(ANALYST, target).await
    }

    /// Waits until the job is in this state.
    async fn until(&self, job: &str, state: &str) {
        eventually(state, async || self.get(job).await.json()["state"] == state).await;
    }

    /// Enqueues a job with the priority HIGH.
    async fn enqueue(&self, kind: &str, payload: Value) {
        let columns = "kind, priority, timeout_ms, payload";
        let sql = format!("INSERT INTO job ({columns}) VALUES ('{kind}', 1, 60000, '{payload}')");
        self.app.database.execute(&sql).await;
    }

    async fn today(&self) -> String {
        self.app
            .database
            .value("SELECT to_char(now(), 'YYYY-MM-DD')")
            .await
    }
}

#[tokio::test]
async fn placed_orders_are_counted_and_exported_as_they_were_answered() {
    let shop = Shop::start(&[]).await;
    let mut placed = Vec::new();
    for quantity in 1..=3 {
        let order = shop
            .app
            .place_order([(PIZZA, quantity), (PANCAKES, 1)])
            .coupon("SAVE10");
        placed.push(order.accepted().await);
    }
    let day = shop.today().await;
    shop.enqueue("reporting.refresh", json!({})).await;

    let target = format!("/api/report/sales?from={day}&to={day}&by=product");
    eventually("the orders were counted", async || {
        shop.get(&target).await.json()["rows"][1]["orders"] == 3
    })
    .await;
    let report = shop.get(&target).await.json();
    let job = shop
        .export(json!({"data": "orders", "from": day, "to": day, "format": "jsonl"}))
        .await;
    shop.until(&job, "done").await;

    // 6 pizzas of 13.99, 3 pancakes of 9.99; 10 % off each order, rounded half up.
    assert_eq!(report["rows"][1]["product"], "7");
    assert_eq!(report["rows"][1]["gross"].to_string(), "83.94");
    assert_eq!(report["rows"][0]["gross"].to_string(), "29.97");
    let done = shop.get(&job).await.json();
    assert_eq!(done["progress"], json!({"rows": 3, "percent": 100}));
    let file = shop.get(done["result"]["href"].as_str().unwrap()).await;
    let mut text = String::new();
    GzDecoder::new(file.bytes()).read_to_string(&mut text).unwrap();
    let exported: Vec<Value> = text
        .lines()
        .map(|line| {
            let mut order: Value = serde_json::from_str(line).unwrap();
            order.as_object_mut().unwrap().remove("createdAt");
            order
        })
        .collect();
    assert_eq!(exported, placed);
}

#[tokio::test]
async fn an_export_that_runs_ends_within_5_seconds_of_its_cancellation() {
    let shop = Shop::start(&[("EXPORT_ROWS_PER_SECOND", "10")]).await;
    shop.app
        .database
        .execute(
            "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
             SELECT overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, gen_random_uuid(), 1, 0, 1 FROM generate_series(1, 5000)",
        )
        .await;
    let day = shop.today().await;
    let job = shop
        .export(json!({"data": "orders", "from": day, "to": day, "format": "csv"}))
        .await;
    eventually("it runs", async || {
        shop.get(&job).await.json()["progress"]["rows"] == 2_000
    })
    .await;

    let began = Instant::now();
    let asked = shop
        .app
        .send(&Request::new("DELETE", &job).header("api_key", ANALYST))
        .await;
    shop.until(&job, "cancelled").await;

    assert_eq!(asked.status(), 202);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(
        shop.get(&format!("{job}/result")).await.error(),
        (409, "no_result".into())
    );
}

#[tokio::test]
async fn a_range_that_is_filled_again_is_right_afterwards() {
    let shop = Shop::start(&[]).await;
    let day = shop.today().await;
    let count = "SELECT coalesce(sum(orders), -1) FROM sales_daily WHERE dimension = 'day'";
    shop.app.place_order([(PIZZA, 1)]).accepted().await;
    shop.enqueue("reporting.refresh", json!({})).await;
    shop.app.database.until("the order was counted", count, "1").await;
    // What no watermark sees.
    shop.app
        .database
        .execute("UPDATE sales_daily SET orders = 17; INSERT INTO sales_daily VALUES ('category', current_date, 'Gone', 1, 1, 1, 0, 1)")
        .await;

    shop.enqueue("reporting.backfill", json!({"from": day, "to": day}))
        .await;

    shop.app
        .database
        .until("the day was counted again", count, "1")
        .await;
    let gone = "SELECT count(*) FROM sales_daily WHERE key = 'Gone'";
    assert_eq!(shop.app.database.value(gone).await, "0");
}
