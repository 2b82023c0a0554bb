//! Data that changes while the API serves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use test_support::TestDatabase;
use test_support::http::{Connection, Request};
use tokio::task::JoinHandle;

use crate::data::Data;
use crate::editions::{self, Edition};
use crate::pod::{LOAD, Pod};

const REFRESHES: u64 = 20;

/// Reads the catalogue again and again; the editions that were seen.
async fn reader(port: u16, stop: Arc<AtomicBool>) -> BTreeSet<Edition> {
    let mut seen = BTreeSet::new();
    let mut connection = Connection::open(("127.0.0.1", port)).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        let answer = connection.exchange(&Request::get("/api/product")).await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        seen.insert(editions::edition_of(&answer.json()).unwrap());
        let ready = connection.exchange(&Request::get("/ready")).await.unwrap();
        assert_eq!(ready.status(), 200, "{ready:?}");
    }
    seen
}

/// Orders one of each product again and again; the editions whose prices were taken.
async fn customer(port: u16, stop: Arc<AtomicBool>) -> BTreeSet<Edition> {
    let order = editions::order_with_promotion();
    let mut seen = BTreeSet::new();
    let mut connection = Connection::open(("127.0.0.1", port)).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        let answer = connection.exchange(&order).await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        seen.insert(editions::edition_of_order(&answer, true).unwrap());
    }
    seen
}

#[tokio::test]
async fn twenty_refreshes_and_five_rollbacks_fail_no_read_and_no_order() {
    let database = TestDatabase::migrated().await;
    let publish = async |edition| {
        let data = editions::write(edition);
        Pod::on(&database).data(data.folder()).load().await;
    };
    publish(1).await;
    let pod = Pod::on(&database);
    let api = pod.serve().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients: Vec<JoinHandle<BTreeSet<Edition>>> = Vec::new();
    for _ in 0..2 {
        clients.push(tokio::spawn(reader(api.port, stop.clone())));
        clients.push(tokio::spawn(customer(api.port, stop.clone())));
    }

    let shown = async || editions::edition_of(&api.get("/api/product").await.json()).unwrap();
    for edition in 2..=REFRESHES + 1 {
        publish(edition).await;
        if edition % 4 == 0 {
            let back = pod.run(LOAD, &["rollback", "-p", "default", "--previous"]).await;
            assert_eq!(back.code, Some(0), "{}", back.stderr);
            let is_back = async || shown().await == edition - 1;
            test_support::eventually("the edition before is shown", is_back).await;
        }
    }
    let last = REFRESHES + 1;
    test_support::eventually("the last edition is shown", async || shown().await == last).await;
    stop.store(true, Ordering::Relaxed);

    let mut seen = BTreeSet::new();
    for client in clients {
        seen.extend(client.await.expect("no client met an error or a mixture"));
    }
    let rollbacks = "SELECT count(*) FROM bootstrap_runs WHERE command = 'rollback' AND outcome = 'changed'";
    assert_eq!(database.value(rollbacks).await, "5");
    // Each notification was followed: most editions were seen.
    assert!(seen.len() > REFRESHES as usize / 2, "{seen:?}");
    let mixed = "SELECT count(*) FROM (SELECT order_id FROM order_items WHERE product_name LIKE 'Dish %'
                 GROUP BY order_id HAVING count(DISTINCT trunc(unit_price)) > 1 OR count(*) <> 10) AS mixed
                 JOIN orders ON id = order_id WHERE subtotal > 100";
    assert_eq!(database.value(mixed).await, "0");
}

#[tokio::test]
async fn an_old_pod_that_starts_again_does_not_bring_back_what_was_replaced() {
    let database = TestDatabase::migrated().await;
    let (first, second) = (editions::write(1), editions::write(7));
    let [old, new] = [&first, &second].map(|data| Pod::on(&database).data(data.folder()));
    old.load().await;
    new.load().await;
    let api = new.serve().await;

    let output = old.load().await;

    let outcomes = "SELECT outcome FROM bootstrap_runs WHERE task = 'database-load' ORDER BY started_at";
    assert_eq!(
        database.rows(outcomes).await,
        [["changed"], ["changed"], ["held"]]
    );
    output.assert_stderr("held");
    let count = "SELECT count(*) FROM products WHERE price::text LIKE '7.%'";
    assert_eq!(database.value(count).await, "10");
    assert_eq!(editions::edition_of(&api.get("/api/product").await.json()), Ok(7));
}

#[tokio::test]
async fn a_load_that_fails_changes_nothing_that_is_served() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let (pod, api) = Pod::ready(&database).await;
    let before = api.get("/api/product").await;
    let sane = data.read("default/products.csv");
    data.write("default/products.csv", &sane.replace("9.99", "9.999"));

    let output = pod.data(data.folder()).run(LOAD, &[]).await;

    assert_eq!(output.code, Some(10), "{}", output.stderr);
    let after = api.get("/api/product").await;
    assert_eq!(
        (after.text(), after.header("etag")),
        (before.text(), before.header("etag"))
    );
    assert_eq!(api.get("/ready").await.status(), 200);
}
