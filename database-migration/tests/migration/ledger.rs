//! A ledger that others hold, that is not ours, or that has no place; and limits that operators
//! set.

use std::time::{Duration, Instant};

use database_migration::Migrator;
use test_support::{TestDatabase, eventually};

use crate::own;
use crate::program::{EDIT, migration_lock, run, start};

const COMMANDS: [&[&str]; 4] = [&["up"], &["down", "--steps", "1"], &["status"], &["wait"]];

/// Far more than a signal needs, far less than what is waited for.
const PROMPTLY: Duration = Duration::from_secs(10);

async fn lock(database: &TestDatabase, table: &str) -> tokio_postgres::Client {
    let lock = format!("SET application_name = 'vacuum by hand'; BEGIN; LOCK TABLE {table}");
    database.session(&lock).await
}

async fn wait_for_a_waiter(database: &TestDatabase, table: &str) {
    let waits = format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass");
    database.until("a session waits for the lock", &waits, "1").await;
}

#[tokio::test]
async fn a_ledger_that_stays_locked_ends_with_4_and_names_the_holder() {
    let database = TestDatabase::migrated().await;
    let _holder = lock(&database, "__diesel_schema_migrations").await;

    for command in COMMANDS {
        let output = run(&database, &[command, &["--lock-timeout", "1"]].concat()).await;

        assert_eq!(output.code, Some(4), "{command:?}: {}", output.stderr);
        for part in [
            "could not read the ledger within 1 s; in the way: process ",
            "(vacuum by hand) in a transaction since 2",
            "nothing was changed",
        ] {
            output.assert_last_line(part);
        }
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'database-migration' AND datname = current_database()";
    database.until("no session waits any more", waiting, "0").await;
}

#[tokio::test]
async fn a_signal_ends_waiting_for_a_locked_ledger_with_143() {
    let database = TestDatabase::migrated().await;
    let _holder = lock(&database, "__diesel_schema_migrations").await;

    for command in COMMANDS {
        let process = start(&database, command);
        eventually("the program waits for the ledger", async || {
            let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            database.value(waits).await == "t"
        })
        .await;
        let asked = Instant::now();
        process.signal("TERM");

        let output = process.wait_output().await;
        assert_eq!(output.code, Some(143), "{command:?}: {}", output.stderr);
        assert!(asked.elapsed() < PROMPTLY, "{command:?}: {:?}", asked.elapsed());
        let end = "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
                   WHERE application_name = 'database-migration' AND datname = current_database()";
        database.rows(end).await;
    }
}

#[tokio::test]
async fn a_signal_ends_waiting_for_the_ledger_also_with_the_migration_lock_held() {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "3"]).await;
    let holder = migration_lock(&database).await;
    let mut process = start(&database, &[]);
    process
        .wait_for_text("Waiting: the migration lock is held by")
        .await;
    let _second = lock(&database, "__diesel_schema_migrations").await;
    drop(holder);
    wait_for_a_waiter(&database, "__diesel_schema_migrations").await;

    let asked = Instant::now();
    process.signal("TERM");

    process.wait_output().await.exits(143);
    assert!(asked.elapsed() < PROMPTLY, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_record_that_cannot_be_written_in_time_changes_nothing_about_the_end() {
    let database = TestDatabase::migrated().await;
    database.execute(EDIT).await;
    let _holder = lock(&database, "bootstrap_runs").await;
    let started = Instant::now();

    let output = run(&database, &[]).await.exits(5);

    assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
    output.assert_stderr("could not be recorded in bootstrap_runs");
}

#[tokio::test]
async fn a_table_of_another_tool_with_the_ledgers_name_ends_with_9_and_stays() {
    let others = [
        "(version varchar NOT NULL PRIMARY KEY)",
        "(version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
        "(version text, name text, up_sha256 text, down_sha256 text, applied_at text, duration_ms text, build text, min_compatible_schema text)",
    ];
    for columns in others {
        let database = TestDatabase::empty().await;
        let create = format!(
            "CREATE TABLE schema_migrations {columns}; INSERT INTO schema_migrations (version) SELECT '20240101'"
        );
        let create = if columns.contains("dirty") {
            create.replace("(version) SELECT '20240101'", "SELECT 20240101, false")
        } else {
            create
        };
        database.execute(&create).await;

        for command in COMMANDS {
            let output = run(&database, command).await;

            assert_eq!(output.code, Some(9), "{columns}, {command:?}: {}", output.stderr);
            let sentence = "the ledger of another project or tool is here (__diesel_schema_migrations or schema_migrations)";
            output.assert_stderr(sentence);
        }
        assert_eq!(
            database.rows("SELECT version FROM schema_migrations").await,
            [["20240101"]]
        );
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(database.value(tables).await, "1");
    }
}

#[tokio::test]
async fn a_search_path_without_a_schema_ends_with_9_and_is_shown() {
    for (search_path, shown) in [("''", "(\"\")"), ("nowhere", "(nowhere)")] {
        let database = TestDatabase::empty().await;
        let set = format!(
            "ALTER DATABASE {} SET search_path = {search_path}",
            database.name()
        );
        database.execute(&set).await;

        let output = run(&database, &[]).await;

        assert_eq!(output.code, Some(9), "{search_path}: {}", output.stderr);
        let sentence = format!("search_path {shown} names no schema that exists");
        output.assert_stderr(&sentence);
    }
}

#[tokio::test]
async fn limits_and_defaults_of_operators_do_not_reach_a_migration() {
    let database = TestDatabase::empty().await;
    for setting in [
        "statement_timeout = '1s'",
        "lock_timeout = '1ms'",
        "idle_session_timeout = '100ms'",
        "idle_in_transaction_session_timeout = '100ms'",
        "default_transaction_isolation = 'serializable'",
    ] {
        let set = format!("ALTER DATABASE {} SET {setting}", database.name());
        database.execute(&set).await;
    }
    let up = "CREATE TABLE found AS SELECT name, current_setting(name) AS value FROM unnest(ARRAY[
            'statement_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout',
            'transaction_isolation']) AS name;
         SELECT pg_sleep(1.2);";
    let mut migrator = Migrator::new(database.database()).unwrap();
    migrator.migrations = vec![own::migration(1, "yes", up, "DROP TABLE found;")];

    migrator.up(None).await.unwrap();

    let found = database
        .rows("SELECT value FROM found ORDER BY name")
        .await
        .concat();
    assert_eq!(found, ["0", "0", "0", "read committed"]);
}
