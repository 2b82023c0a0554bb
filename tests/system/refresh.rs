//! Data that change under a serving API.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use test_support::TestDatabase;
use tokio::task::JoinHandle;

use crate::data::Data;
use crate::http::{Connection, Request};
use crate::pod::{LOAD, Pod};

const REFRESHES: u64 = 20;

/// The catalogue in which every price says which version it is of: 20.01 is product 1 of version 20.
fn write_version(data: &Data, version: u64) {
    let mut text = "id,name,price,category\n".to_owned();
    for product in 1..=10 {
        text += &format!("{product},Dish {product},{version}.{product:02},Food\n");
    }
    data.write("default/products.csv", &text);
}

/// The one version that all products have; fails the test for a mixture.
fn version(products: &Value) -> u64 {
    let products = products.as_array().unwrap();
    assert_eq!(products.len(), 10, "{products:?}");
    let mut versions = BTreeSet::new();
    for product in products {
        let price = product["price"].as_f64().unwrap();
        versions.insert(price as u64);
        let id = product["id"].as_str().unwrap();
        assert_eq!(
            format!("{price:.2}").split_once('.').unwrap().1,
            format!("{id:0>2}")
        );
    }
    assert_eq!(versions.len(), 1, "a mixture: {products:?}");
    *versions.first().unwrap()
}

/// Reads the catalogue again and again; the versions that were seen.
async fn reader(port: u16, stop: Arc<AtomicBool>) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    let mut connection = Connection::open(port).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        let answer = connection.send(&Request::get("/api/product")).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let version = version(&answer.json());
        seen.insert(version);
        let ready = connection.send(&Request::get("/ready")).await.unwrap();
        assert_eq!(ready.status, 200, "{ready:?}");
    }
    seen
}

/// Orders one of each product again and again; the versions whose prices were taken.
async fn customer(port: u16, stop: Arc<AtomicBool>) -> BTreeSet<u64> {
    let items: Vec<Value> = (1..=10)
        .map(|id: u32| json!({ "productId": id.to_string(), "quantity": 1 }))
        .collect();
    let order = Request::order(json!({ "items": items }));
    let mut seen = BTreeSet::new();
    let mut connection = Connection::open(port).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        let answer = connection.send(&order).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let version = version(&answer.json()["products"]);
        let total = format!("\"total\":{}.55,", version * 10);
        assert!(answer.text().contains(&total), "{total} {}", answer.text());
        seen.insert(version);
    }
    seen
}

#[tokio::test]
async fn twenty_refreshes_and_five_rollbacks_fail_no_read_and_no_order() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let pod = Pod::on(&database).data(data.folder());
    write_version(&data, 1);
    // The sample orders were placed at the sample prices.
    pod.load().await;
    let api = pod.serve().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients: Vec<JoinHandle<BTreeSet<u64>>> = Vec::new();
    for _ in 0..2 {
        clients.push(tokio::spawn(reader(api.port, stop.clone())));
        clients.push(tokio::spawn(customer(api.port, stop.clone())));
    }

    let shown = async || version(&api.get("/api/product").await.json());
    for version in 2..=REFRESHES + 1 {
        write_version(&data, version);
        pod.load().await;
        if version % 4 == 0 {
            let back = pod.run(LOAD, &["rollback", "-p", "default", "--previous"]).await;
            assert_eq!(back.code, Some(0), "{}", back.stderr);
            let is_back = async || shown().await == version - 1;
            test_support::eventually("the version before is shown", is_back).await;
        }
    }
    let last = REFRESHES + 1;
    test_support::eventually("the last version is shown", async || shown().await == last).await;
    stop.store(true, Ordering::Relaxed);

    let mut seen = BTreeSet::new();
    for client in clients {
        seen.extend(client.await.expect("no client met an error or a mixture"));
    }
    let rollbacks = "SELECT count(*) FROM bootstrap_runs WHERE command = 'rollback' AND outcome = 'changed'";
    assert_eq!(database.value(rollbacks).await, "5");
    // Each notification was followed: most versions were seen by somebody.
    assert!(seen.len() > REFRESHES as usize / 2, "{seen:?}");
    let mixed = "SELECT count(*) FROM (SELECT order_id FROM order_items WHERE product_name LIKE 'Dish %'
                 GROUP BY order_id HAVING count(DISTINCT trunc(unit_price)) > 1 OR count(*) <> 10) AS mixed
                 JOIN orders ON id = order_id WHERE subtotal > 100";
    assert_eq!(database.value(mixed).await, "0");
}

#[tokio::test]
async fn an_old_pod_that_starts_again_does_not_bring_back_what_was_replaced() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let (old, new) = (Pod::on(&database), Pod::on(&database).data(data.folder()));
    old.load().await;
    write_version(&data, 7);
    new.load().await;
    let api = new.serve().await;

    let output = old.load().await;

    let outcomes = "SELECT outcome FROM bootstrap_runs WHERE task = 'database-load' ORDER BY started_at";
    assert_eq!(
        database.rows(outcomes).await,
        [["changed"], ["changed"], ["held"]]
    );
    assert!(output.stderr.contains("held"), "{}", output.stderr);
    assert_eq!(
        database
            .value("SELECT count(*) FROM products WHERE price::text LIKE '7.%'")
            .await,
        "10"
    );
    assert_eq!(version(&api.get("/api/product").await.json()), 7);
}

#[tokio::test]
async fn a_load_that_fails_changes_nothing_that_is_served() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let (pod, api) = Pod::ready(&database).await;
    let before = api.get("/api/product").await;
    let sane = data.read("default/products.csv");
    data.write("default/products.csv", &sane.replace("9.99", "9.999"));

    let output = pod.data(data.folder()).run(crate::pod::LOAD, &[]).await;

    assert_eq!(output.code, Some(10), "{}", output.stderr);
    let after = api.get("/api/product").await;
    assert_eq!(
        (after.text(), after.header("etag")),
        (before.text(), before.header("etag"))
    );
    assert_eq!(api.get("/ready").await.status, 200);
}
