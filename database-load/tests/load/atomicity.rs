//! All of a load becomes visible, or none.

use process::failure::ExitCode;
use test_support::{OwnCluster, Process, TestDatabase, binary, eventually};

use crate::fixture::{
    Data, PRICE_OF_3, block_publication, load_binary, loaded, outcomes, places, publication_waits, refused,
    spawn,
};

#[tokio::test]
async fn a_bad_file_in_the_last_operation_changes_nothing() {
    let (database, data) = loaded().await;
    let before = places(&database).await;
    data.edit("default/products.csv", "9.99", "10.49");
    data.edit(
        "default/orders.jsonl",
        r#""product": "10""#,
        r#""product": "404""#,
    );

    let failure = data.try_load(&database).await.unwrap_err();

    assert_eq!(failure.code, ExitCode::InvalidData);
    assert_eq!(places(&database).await, before);
    let query = "SELECT outcome, exit_code FROM bootstrap_runs WHERE exit_code <> 0";
    assert_eq!(database.value(query).await, "failed|10");
}

#[tokio::test]
async fn a_damaged_coupon_file_changes_nothing() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.write("default/coupons2.txt", b"\x1f\x8b\x08\x00cut off");

    let failure = data.try_load(&database).await.unwrap_err();

    refused(&failure, ExitCode::InvalidData, "coupons2.txt is damaged at byte");
    assert_eq!(places(&database).await, Vec::<Vec<String>>::new());
}

/// A load that has staged its rows and waits for a lock on `products` that the test holds.
async fn staged_and_waiting(database: &TestDatabase, data: &Data) -> (Process, tokio_postgres::Client) {
    let blocker = block_publication(database).await;
    let process = spawn(database, data, &[], &[]);
    publication_waits(database).await;
    let count = "SELECT count(*) FROM dataset_versions WHERE state = 'staged'";
    assert_eq!(database.value(count).await, "1");
    (process, blocker)
}

#[tokio::test]
async fn a_killed_load_leaves_the_old_data_and_the_next_run_cleans_up() {
    let (database, data) = loaded().await;
    data.edit("default/products.csv", "9.99", "10.49");
    let (process, blocker) = staged_and_waiting(&database, &data).await;

    process.signal("KILL");
    let output = process.wait_output().await;
    drop(blocker);

    assert_eq!(output.signal, Some(9));
    assert_eq!(database.value(PRICE_OF_3).await, "9.99");
    let active = "SELECT count(*) FROM dataset_versions WHERE state = 'active'";
    assert_eq!(database.value(active).await, "1");
    data.load(&database).await;
    assert_eq!(database.value(PRICE_OF_3).await, "10.49");
    let count = "SELECT count(*) FROM dataset_versions WHERE state = 'staged'";
    assert_eq!(database.value(count).await, "0");
    let orphans =
        "SELECT count(*) FROM coupon_codes WHERE version NOT IN (SELECT version FROM dataset_versions)";
    assert_eq!(database.value(orphans).await, "0");
    let count = "SELECT count(DISTINCT version) FROM coupon_codes";
    assert_eq!(database.value(count).await, "2");
}

#[tokio::test]
async fn sigterm_rolls_back_and_exits_143() {
    let (database, data) = loaded().await;
    let before = places(&database).await;
    data.edit("default/products.csv", "9.99", "10.49");
    let (process, _blocker) = staged_and_waiting(&database, &data).await;

    process.signal("TERM");
    process.wait_output().await.exits(143);

    assert_eq!(outcomes(&database).await, ["changed", "canceled"]);
    let without_xmax =
        |rows: Vec<Vec<String>>| rows.into_iter().map(|row| row[..3].to_vec()).collect::<Vec<_>>();
    assert_eq!(without_xmax(places(&database).await), without_xmax(before));
}

#[tokio::test]
async fn a_long_load_shows_that_it_is_alive() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let (mut process, blocker) = staged_and_waiting(&database, &data).await;

    process.wait_for_text("loading goes on").await;
    eventually("a heartbeat", async || {
        let beats =
            "SELECT count(*) FROM bootstrap_runs WHERE outcome = 'running' AND heartbeat_at > started_at";
        database.value(beats).await == "1"
    })
    .await;

    blocker.batch_execute("ROLLBACK").await.unwrap();
    process.wait_output().await.exits(0);
}

#[tokio::test]
async fn profiles_of_one_command_are_published_together_or_not_at_all() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.add_drinks("-1");

    let output = load_binary(&database, &data, &["-p", "default", "-p", "drinks"])
        .await
        .exits(10);

    output.assert_stderr("drinks.csv:2, column value");
    assert_eq!(places(&database).await, Vec::<Vec<String>>::new());
    assert_eq!(outcomes(&database).await, ["failed", "failed"]);

    data.write("drinks.csv", "code,kind,value\nSPRITZ,fixed,1\n");
    load_binary(&database, &data, &["--force", "-p", "default", "-p", "drinks"])
        .await
        .exits(0);
    assert_eq!(
        database.rows("SELECT code FROM promotions WHERE active").await,
        [["SPRITZ"]]
    );
    let count = "SELECT count(*) FROM dataset_versions WHERE state = 'active'";
    assert_eq!(database.value(count).await, "2");
}

#[tokio::test]
async fn a_run_is_not_overtaken_by_what_another_published_meanwhile() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let (process, blocker) = staged_and_waiting(&database, &data).await;
    // As if this run's locks had been lost and another had cleaned up.
    database
        .execute("UPDATE dataset_versions SET state = 'retired', activated_at = now(), retired_at = now()")
        .await;

    blocker.batch_execute("ROLLBACK").await.unwrap();
    process.wait_output().await.exits(1);

    assert_eq!(database.value("SELECT count(*) FROM products").await, "0");
}

/// With these the publication's commit is made, and its answer waits for a standby that does not
/// exist.
const SILENT_COMMIT: [&str; 5] = [
    "ALTER DATABASE postgres SET synchronous_commit = local",
    "CREATE FUNCTION be_silent() RETURNS trigger LANGUAGE plpgsql
     AS 'BEGIN PERFORM set_config(''synchronous_commit'', ''on'', true); RETURN NEW; END'",
    "CREATE TRIGGER be_silent BEFORE UPDATE ON dataset_versions
     FOR EACH ROW WHEN (NEW.state = 'active') EXECUTE FUNCTION be_silent()",
    "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
    "SELECT pg_reload_conf()",
];

#[tokio::test]
async fn a_commit_whose_answer_is_lost_counts_as_what_it_was() {
    let (cluster, data) = (OwnCluster::start(), Data::copy());
    let (url, folder) = (cluster.url(), data.path(""));
    let environment = [
        ("DATABASE_URL", url.as_str()),
        ("DATA_DIR", folder.to_str().unwrap()),
    ];
    Process::spawn(binary("database-migration"), ["up"], &environment)
        .wait_output()
        .await
        .exits(0);
    let client = cluster.client().await;
    client
        .batch_execute("SET synchronous_commit = local")
        .await
        .unwrap();
    for statement in SILENT_COMMIT {
        client.batch_execute(statement).await.unwrap();
    }

    let process = Process::spawn(env!("CARGO_BIN_EXE_database-load"), ["run"], &environment);
    eventually("the commit waits, and its connection is cut", async || {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        !client.query(cut, &[]).await.unwrap().is_empty()
    })
    .await;
    let output = process.wait_output().await.exits(0);

    output.assert_stderr("the publication took place");
    let outcome = "SELECT outcome FROM bootstrap_runs WHERE task = 'database-load'";
    assert_eq!(
        client.query_one(outcome, &[]).await.unwrap().get::<_, String>(0),
        "changed"
    );
    let products = "SELECT count(*) FROM products";
    assert_eq!(
        client.query_one(products, &[]).await.unwrap().get::<_, i64>(0),
        10
    );
}

#[tokio::test]
async fn a_run_with_nothing_to_do_removes_what_a_lost_run_left() {
    let (database, data) = loaded().await;
    data.edit("default/products.csv", "9.99", "10.49");
    let (process, blocker) = staged_and_waiting(&database, &data).await;
    process.signal("KILL");
    process.wait_output().await;
    drop(blocker);
    data.edit("default/products.csv", "10.49", "9.99");
    let staged = "SELECT count(*) FROM dataset_versions WHERE state = 'staged'";

    // As long as it may be alive it is left alone.
    data.load(&database).await;
    assert_eq!(database.value(staged).await, "1");
    database
        .execute("UPDATE bootstrap_runs SET heartbeat_at = now() - interval '61 s' WHERE outcome = 'running'")
        .await;
    eventually("its locks are gone", async || {
        data.load(&database).await;
        database.value(staged).await == "0"
    })
    .await;

    let codes = "SELECT count(DISTINCT version) FROM coupon_codes";
    assert_eq!(database.value(codes).await, "1");
    let lost = "SELECT exit_code, message LIKE '%lost%' FROM bootstrap_runs WHERE outcome = 'failed'";
    assert_eq!(database.value(lost).await, "1|t");
    let count = "SELECT count(*) FROM bootstrap_runs WHERE outcome = 'running'";
    assert_eq!(database.value(count).await, "0");
}

#[tokio::test]
async fn a_run_that_another_took_for_lost_publishes_nothing() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let (process, blocker) = staged_and_waiting(&database, &data).await;
    database
        .execute("UPDATE bootstrap_runs SET outcome = 'failed', exit_code = 1, finished_at = now()")
        .await;

    blocker.batch_execute("ROLLBACK").await.unwrap();
    process.wait_output().await.exits(1);

    assert_eq!(database.value("SELECT count(*) FROM products").await, "0");
    assert_eq!(database.value("SELECT count(*) FROM dataset_versions").await, "0");
}

#[tokio::test]
async fn a_publication_that_the_server_ends_for_another_is_tried_again() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let fail_twice = "
        CREATE SEQUENCE attempts;
        CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN
             IF nextval(''attempts'') < 3 THEN RAISE EXCEPTION ''deadlock'' USING ERRCODE = ''40P01''; END IF;
             RETURN NULL;
         END';
        CREATE TRIGGER fail_twice AFTER INSERT ON products FOR EACH STATEMENT EXECUTE FUNCTION fail_twice()";
    database.execute(fail_twice).await;

    data.load(&database).await;

    assert_eq!(database.value("SELECT last_value FROM attempts").await, "3");
    assert_eq!(database.value("SELECT count(*) FROM products").await, "10");
}

#[tokio::test]
async fn operations_are_staged_side_by_side_and_published_together() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let codes: String = (0..2000).map(|number| format!("C{number:08}\n")).collect();
    data.write("default/coupons1.txt", &codes);
    data.write("default/coupons2.txt", codes);
    let lock = "BEGIN; LOCK TABLE coupon_codes IN SHARE MODE";
    let blocker = database.session(lock).await;

    let process = spawn(&database, &data, &[], &[]);
    eventually("everything else is staged while the codes wait", async || {
        let staged = "SELECT count(DISTINCT dataset), (SELECT count(*) FROM pg_stat_activity
                          WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY coupon_codes%')
                      FROM dataset_rows";
        database.value(staged).await == "5|1"
    })
    .await;

    assert_eq!(database.value("SELECT count(*) FROM products").await, "0");
    blocker.batch_execute("ROLLBACK").await.unwrap();
    process.wait_output().await.exits(0);
    assert_eq!(database.value("SELECT count(*) FROM products").await, "10");
    assert_eq!(database.value("SELECT count(*) FROM coupon_codes").await, "2000");
}
