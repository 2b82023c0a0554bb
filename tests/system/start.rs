//! From an empty database to a stored order, in the right order and in the wrong one.

use test_support::{OwnCluster, Stop, TestDatabase, json_lines};

use crate::pod::Pod;

/// The body of the order in the README's `curl` example.
fn readme_order() -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("-d '").expect("an example with a body");
    rest.split_once('\'').expect("the body's end").0.to_owned()
}

#[tokio::test]
async fn the_init_containers_in_their_order_lead_from_an_empty_database_to_the_readmes_order() {
    let database = TestDatabase::empty().await;
    let pod = Pod::on(&database);
    let api = pod.bring_up().await;

    let placed = api.order(readme_order()).await;

    assert_eq!(placed.status(), 200, "{placed:?}");
    let id = placed.member("id");
    let expected = format!(
        r#"{{"id":"{id}","items":[{{"productId":"1","quantity":2}},{{"productId":"3","quantity":1}}],"products":[{{"id":"1","name":"Chicken Waffle","price":12.99,"category":"Waffle"}},{{"id":"3","name":"Blueberry Pancakes","price":9.99,"category":"Pancakes"}}],"couponCode":"SAVE10","total":32.37,"discounts":3.60}}"#
    );
    assert_eq!(placed.text(), expected);
    let read = api.get_own(&format!("/api/order/{id}")).await;
    assert_eq!((read.status(), read.text()), (200, placed.text()));
    let lines = format!(
        "SELECT product_id, unit_price, quantity FROM order_items WHERE order_id = '{id}' ORDER BY line"
    );
    assert_eq!(
        database.rows(&lines).await,
        [["1", "12.99", "2"], ["3", "9.99", "1"]]
    );
    assert_eq!(api.stop().await.code, Some(0));
}

#[tokio::test]
async fn init_containers_that_run_again_change_nothing() {
    let database = TestDatabase::empty().await;
    let pod = Pod::on(&database);
    pod.migrate().await;
    pod.load().await;
    let places = "SELECT 'p', ctid, xmin FROM products UNION ALL SELECT 'o', ctid, xmin FROM orders
                  UNION ALL SELECT 'm', ctid, xmin FROM __diesel_schema_migrations UNION ALL SELECT 'c', ctid, xmin FROM coupon_codes
                  UNION ALL SELECT 'k', ctid, xmin FROM api_keys ORDER BY 1, 2";
    let before = database.rows(places).await;

    pod.migrate().await;
    pod.load().await;

    assert_eq!(database.rows(places).await, before);
    let outcomes = "SELECT outcome FROM bootstrap_runs WHERE task = 'database-load' ORDER BY started_at";
    assert_eq!(database.rows(outcomes).await, [["changed"], ["unchanged"]]);
}

#[tokio::test]
async fn pods_that_start_at_once_on_an_empty_database_all_succeed_and_one_of_them_does_the_work() {
    const PODS: usize = 4;
    let database = TestDatabase::empty().await;
    let pod = Pod::on(&database);

    let starts: Vec<_> = (0..PODS)
        .map(|_| {
            let pod = pod.clone();
            tokio::spawn(async move {
                pod.migrate().await;
                pod.load().await;
            })
        })
        .collect();
    for start in starts {
        start.await.expect("a pod that starts");
    }

    let outcomes =
        "SELECT outcome, count(*) FROM bootstrap_runs WHERE task = 'database-load' GROUP BY 1 ORDER BY 1";
    assert_eq!(
        database.rows(outcomes).await,
        [["changed", "1"], ["unchanged", &(PODS - 1).to_string()]]
    );
    let query = "SELECT max(version::integer) FROM __diesel_schema_migrations";
    assert_eq!(database.value(query).await, database::version::NEWEST.to_string());
    assert_eq!(database.value("SELECT count(*) FROM products").await, "10");
}

#[tokio::test]
async fn an_api_that_starts_first_says_what_is_missing_and_gets_ready_without_a_restart() {
    let database = TestDatabase::empty().await;
    let pod = Pod::on(&database);
    let api = pod.listen().await;
    let not_ready_for = async |reason: &str| {
        test_support::eventually(reason, async || {
            let answer = api.get("/ready").await;
            assert_eq!(answer.status(), 503, "{answer:?}");
            assert_eq!(api.get("/health").await.text(), r#"{"status":"healthy"}"#);
            answer.member("reason") == reason
        })
        .await;
    };

    let newest = database::version::NEWEST;
    not_ready_for(&format!(
        "the schema is too old: version 0, this build needs {newest}"
    ))
    .await;
    let order = api.order(readme_order()).await;
    assert_eq!((order.status(), &*order.member("type")), (503, "unavailable"));
    assert_eq!(api.get("/api/product").await.status(), 503);

    pod.migrate().await;
    not_ready_for("no data version is active yet").await;
    assert_eq!(api.get("/api/product").await.status(), 503);
    assert_eq!(api.order(readme_order()).await.status(), 503);
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "0");

    pod.load().await;
    api.becomes_ready().await;
    assert_eq!(api.order(readme_order()).await.status(), 200);
}

#[tokio::test]
async fn a_pod_that_starts_before_its_database_waits_says_so_once_and_serves() {
    let mut cluster = OwnCluster::start();
    let pod = Pod::at(&cluster.url());
    pod.migrate().await;
    pod.load().await;
    cluster.stop(Stop::Fast);
    let mut migration = pod.start(crate::pod::MIGRATION, &[]);
    let mut load = pod.start(crate::pod::LOAD, &[]);
    let api = pod.listen().await;
    migration.wait_for_text("waiting for the database").await;
    load.wait_for_text("waiting for the database").await;
    test_support::eventually("the API says so, too", async || {
        api.process.said().contains("waiting for the database")
    })
    .await;
    test_support::eventually("/ready says what it waits for", async || {
        let answer = api.get("/ready").await;
        assert_eq!(answer.status(), 503, "{answer:?}");
        answer.member("reason") == "the database cannot be reached"
    })
    .await;

    cluster.start_again();

    for process in [migration, load] {
        let output = process.wait_output().await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(output.stderr.matches("waiting for the database").count(), 1);
    }
    api.becomes_ready().await;
    assert_eq!(api.order(readme_order()).await.status(), 200);
    let output = api.stop().await;
    let waiting = json_lines(&output.stderr)
        .into_iter()
        .filter(|line| line["message"] == "waiting for the database");
    assert_eq!(waiting.count(), 1, "{}", output.stderr);
}
