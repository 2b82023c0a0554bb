//! `database-migration partitions`: what it makes, takes away, and finishes.

use std::path::Path;

use test_support::{Output, TestDatabase};

use crate::program::{run, start};
use crate::roles::{Roles, allowed, refused};

/// Partitions of a table with their bounds as days, the oldest first.
const LIST: &str = r"
    SELECT inhrelid::regclass, coalesce(day[1], 'MINVALUE'), day[2], inhdetachpending
    FROM pg_inherits JOIN pg_class ON oid = inhrelid, LATERAL (
        SELECT ARRAY(
            SELECT (to_timestamp(('x' || left(replace(bound[1], '-', ''), 12))::bit(48)::bigint / 1000) AT TIME ZONE 'UTC')::date::text
            FROM regexp_matches(pg_get_expr(relpartbound, oid), '[0-9a-f-]{36}', 'g') AS bound
        ) AS found
    ) AS bounds, LATERAL (
        SELECT CASE cardinality(found) WHEN 1 THEN ARRAY[NULL, found[1]] ELSE found END AS day
    ) AS days
    WHERE inhparent = ";

const PENDING: &str = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";

pub(crate) async fn list(database: &TestDatabase, table: &str) -> Vec<Vec<String>> {
    let sql = format!("{LIST} '{table}'::regclass ORDER BY day[2]");
    database.rows(&sql).await
}

/// Divides what is there once more: a month of 2024, and all before it.
const PAST: &str = "
    DO $$
    DECLARE oldest text; whole text; bound text;
    BEGIN
        FOREACH whole IN ARRAY ARRAY['orders', 'order_items'] LOOP
            SELECT inhrelid::regclass, substring(pg_get_expr(relpartbound, oid) FROM '[0-9a-f-]{36}') INTO oldest, bound
            FROM pg_inherits JOIN pg_class ON oid = inhrelid
            WHERE inhparent = whole::regclass AND pg_get_expr(relpartbound, oid) LIKE '%MINVALUE%';
            EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', whole, oldest);
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (''018cc251-f400-0000-0000-000000000000'')',
                whole || '_before_2024_01_01', whole);
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (''018cc251-f400-0000-0000-000000000000'')
                TO (''018d61f7-1800-0000-0000-000000000000'')', whole || '_from_2024_01_01', whole);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (''018d61f7-1800-0000-0000-000000000000'') TO (%L)',
                whole, oldest, bound);
        END LOOP;
    END
    $$;";

/// Two orders of January 2024 with states and events, and one of later.
const ORDERS: &str = "
    INSERT INTO orders (id, api_key_id, subtotal, discount, total)
    SELECT id::uuid, gen_random_uuid(), 10, 0, 10 FROM unnest(ARRAY[
        '018cc252-0000-7000-8000-000000000001', '018cc252-0000-7000-8000-000000000002', '01a00000-0000-7000-8000-000000000003'
    ]) AS id;
    INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
    SELECT id, 1, 1, 'Waffle \"X\"', 'Waffle', 10, 1 FROM orders;
    INSERT INTO order_states (order_id, status, version) SELECT id, 'picked_up', 2 FROM orders;
    INSERT INTO order_events (order_id, version, from_status, to_status, actor)
    SELECT id, 2, 'ready', 'picked_up', 'staff' FROM orders";

const COUNTS: &str = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_items),
    (SELECT count(*) FROM order_states), (SELECT count(*) FROM order_events)";

/// A database with both.
async fn with_past_orders() -> TestDatabase {
    let database = TestDatabase::migrated().await;
    database.execute(PAST).await;
    database.execute(ORDERS).await;
    database
}

/// Takes away what is older than 200 days, once it stands in the folder.
async fn export(database: &TestDatabase, folder: &Path) -> Output {
    let folder = folder.to_str().unwrap();
    run(database, &["partitions", "--retain", "200d", "--export", folder]).await
}

#[tokio::test]
async fn a_migrated_database_has_three_ahead_and_a_second_run_changes_nothing() {
    let database = TestDatabase::migrated().await;
    let before = list(&database, "orders").await;
    assert_eq!((before.len(), before[0][1].as_str()), (4, "MINVALUE"));
    assert!(
        before.windows(2).all(|pair| pair[0][2] == pair[1][1]),
        "{before:?}"
    );

    let output = run(&database, &["partitions"]).await.exits(0);

    assert_eq!(
        output.stdout,
        format!("3 partitions lie ahead, until {}\n", before[3][2])
    );
    output.assert_stderr("outcome unchanged");
    assert_eq!(list(&database, "orders").await, before);
    let count = "SELECT count(*) FROM bootstrap_runs WHERE command = 'partitions'";
    assert_eq!(database.value(count).await, "0");
}

#[tokio::test]
async fn what_is_missing_is_made_without_gaps_by_the_command_and_by_up() {
    let database = TestDatabase::migrated().await;
    let complete = list(&database, "orders").await;
    let drop_two = || async {
        for table in ["orders", "order_items"] {
            let listed = list(&database, table).await;
            let names: Vec<&str> = listed[2..].iter().map(|row| row[0].as_str()).collect();
            database
                .execute(&format!("DROP TABLE {}", names.join(", ")))
                .await;
        }
    };

    drop_two().await;
    let made = run(&database, &["partitions"]).await.exits(0);
    assert_eq!(
        made.stdout
            .lines()
            .filter(|line| line.starts_with("made order"))
            .count(),
        4
    );
    assert_eq!(list(&database, "orders").await, complete);

    drop_two().await;
    run(&database, &["up"]).await.exits(0);
    assert_eq!(list(&database, "orders").await, complete);

    let weekly = run(&database, &["partitions", "--interval", "week", "--ahead", "9"])
        .await
        .exits(0);
    assert!(weekly.stdout.ends_with(&format!(
        "9 partitions lie ahead, until {}\n",
        list(&database, "order_items").await.last().unwrap()[2]
    )));
    assert_eq!(list(&database, "orders").await.len(), 10);
    run(&database, &["validate"]).await.exits(0);
}

#[tokio::test]
async fn orders_are_stored_while_a_partition_is_made_beside_a_long_reader() {
    let database = TestDatabase::migrated().await;
    let reader = database.session("BEGIN; SELECT count(*) FROM orders").await;

    let output = run(&database, &["partitions", "--ahead", "5"]).await.exits(0);

    assert!(!output.stderr.contains("trying again"), "{}", output.stderr);
    reader.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn who_locks_a_partition_is_named() {
    let database = TestDatabase::migrated().await;
    let oldest = list(&database, "orders").await.swap_remove(0).swap_remove(0);
    let locking = database.session(&format!("BEGIN; LOCK TABLE {oldest}")).await;
    let process = locking.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();

    let output = run(&database, &["partitions", "--lock-timeout", "3s"])
        .await
        .exits(4);

    output.assert_stderr(&format!("process {}", process.get::<_, i32>(0)));
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_exported_and_dropped_with_states_and_events() {
    let database = with_past_orders().await;
    let folder = tempfile::tempdir().unwrap();

    let kept = run(&database, &["partitions"]).await;
    assert_eq!(
        kept.stdout.lines().count(),
        1,
        "nothing is dropped unless asked: {}",
        kept.stdout
    );
    let output = export(&database, folder.path()).await.exits(0);

    for line in [
        "detached orders_before_2024_01_01",
        "detached order_items_from_2024_01_01",
        "dropped orders_from_2024_01_01",
        "deleted 2 rows of order_events before 2024-02-01",
        "deleted 2 rows of order_states before 2024-02-01",
    ] {
        assert!(
            output.stdout.lines().any(|it| it == line),
            "{line}: {}",
            output.stdout
        );
    }
    assert_eq!(database.value(COUNTS).await, "1|1|1|1");
    let listed = list(&database, "orders").await;
    assert_eq!(
        listed[0][..3],
        ["orders_before_2024_02_01", "MINVALUE", "2024-02-01"]
    );
    let mut exported: Vec<(String, usize)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let rows = std::fs::read_to_string(entry.path()).unwrap().lines().count() - 1;
            (name.split('-').next().unwrap().to_owned(), rows)
        })
        .collect();
    exported.sort();
    let expected = [
        "order_events",
        "order_items_from_2024_01_01",
        "order_states",
        "orders_from_2024_01_01",
    ];
    assert_eq!(exported, expected.map(|table| (table.to_owned(), 2)));
    let items = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let items = items.filter(|path| path.to_str().unwrap().contains("order_items"));
    let text: String = items.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(
        text.starts_with("order_id,line,product_id,product_name,"),
        "{text}"
    );
    assert!(text.contains(",\"Waffle \"\"X\"\"\","), "{text}");

    let again = export(&database, folder.path()).await;
    assert_eq!(again.stdout.lines().count(), 1, "{}", again.stdout);
    // What comes late with an old id has a place, and goes with the next run.
    database
        .execute(
            "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
             VALUES ('018cc252-0000-7000-8000-000000000009', gen_random_uuid(), 10, 0, 10)",
        )
        .await;
    export(&database, folder.path()).await.exits(0);
    assert_eq!(database.value(COUNTS).await, "1|1|1|1");
}

#[tokio::test]
async fn what_cannot_be_exported_is_not_dropped_and_the_next_run_goes_on() {
    let database = with_past_orders().await;
    let folder = tempfile::tempdir().unwrap();

    let failed = export(&database, &folder.path().join("missing")).await.exits(6);

    failed.assert_stderr("see to the folder");
    assert_eq!(database.value(COUNTS).await, "3|3|3|3", "none has left");
    let next = export(&database, folder.path()).await.exits(0);
    next.assert_stdout("exported orders_from_2024_01_01 to ");
    let query = "SELECT to_regclass('orders_from_2024_01_01') IS NULL";
    assert_eq!(database.value(query).await, "t");
}

#[tokio::test]
async fn a_detach_that_was_killed_half_way_is_finished_by_the_next_run() {
    let database = with_past_orders().await;
    let reader = database.session("BEGIN; SELECT count(*) FROM orders").await;
    let killed = start(&database, &["partitions", "--retain", "200d"]);
    database.until("the detach is half done", PENDING, "1").await;

    killed.signal("KILL");
    assert_eq!(killed.wait_output().await.signal, Some(9));
    // A server does not see that the client is gone while it waits.
    database
        .execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE '%DETACH%' AND pid <> pg_backend_pid()",
        )
        .await;
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(database.value(PENDING).await, "1");

    // Also a run that retains everything leaves nothing half done.
    let finished = run(&database, &["partitions"]).await.exits(0);
    finished.assert_stdout("detached orders_before_2024_01_01");
    assert_eq!(database.value(PENDING).await, "0");
    let next = run(&database, &["partitions", "--retain", "200d"]).await.exits(0);
    next.assert_stdout("dropped orders_before_2024_01_01");
    assert_eq!(database.value(COUNTS).await, "1|1|1|1");
}

#[tokio::test]
async fn a_detach_waits_for_a_long_reader_while_orders_are_stored() {
    let database = TestDatabase::migrated().await;
    database.execute(PAST).await;
    let reader = database.session("BEGIN; SELECT count(*) FROM orders").await;
    database.execute(ORDERS).await;

    let waiting = start(&database, &["partitions", "--retain", "200d"]);
    database.until("the detach waits", PENDING, "1").await;
    database
        .execute(
            "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
             VALUES ('01a00000-0000-7000-8000-000000000009', gen_random_uuid(), 10, 0, 10)",
        )
        .await;
    reader.batch_execute("COMMIT").await.unwrap();

    waiting.wait_output().await.exits(0);
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "2");
}

#[tokio::test]
async fn the_migrator_makes_and_the_app_uses_partitions_without_rights_on_them() {
    let roles = Roles::on(TestDatabase::migrated().await);
    roles.set_password("migrator", "migrator");
    roles.run(&["roles", "apply"]).await.exits(0);

    roles
        .start_as_migrator(&["partitions", "--ahead", "5"])
        .wait_output()
        .await
        .exits(0);

    let listed = list(&roles.database, "orders").await;
    assert_eq!(listed.len(), 6);
    let app = roles.client("app").await;
    let newest = &listed[5][0];
    let bound = format!(
        "SELECT substring(pg_get_expr(relpartbound, oid) FROM '[0-9a-f-]{{36}}') FROM pg_class WHERE oid = '{newest}'::regclass"
    );
    let id = roles.database.value(&bound).await;
    allowed(
        &app,
        &format!("INSERT INTO orders (id, api_key_id, subtotal, discount, total) VALUES ('{id}', gen_random_uuid(), 5, 0, 5); SELECT id FROM orders"),
    )
    .await;
    refused(&app, &format!("SELECT id FROM {newest}")).await;
    roles.assert_as_they_should_be().await;
}
