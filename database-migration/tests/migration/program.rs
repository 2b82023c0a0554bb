//! The program itself, as it runs in a pod.

use database::locks;
use test_support::{Output, Process, TestDatabase};
use tokio_postgres::Client;

/// A session that holds the migration lock, until it is dropped.
pub(crate) async fn migration_lock(database: &TestDatabase) -> Client {
    let holder = database.client().await;
    holder
        .query("SELECT pg_advisory_lock($1)", &[&locks::MIGRATION])
        .await
        .unwrap();
    holder
}

/// A database at version 3, and a transaction that writes to `table`, in the way of version 4.
pub(crate) async fn busy_at_3(table: &str) -> (TestDatabase, Client) {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "3"]).await;
    let lock =
        format!("SET application_name = 'long report'; BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE");
    let writer = database.session(&lock).await;
    (database, writer)
}

/// The version that the ledger says.
pub(crate) const VERSION: &str = "SELECT max(version::int) FROM __diesel_schema_migrations";

/// Makes the file of version 2 differ from what was applied.
pub(crate) const EDIT: &str =
    "UPDATE migration_details SET up_sha256 = sha256('edited') WHERE version = '0002'";

/// An order of June 2024, by its id.
pub(crate) const ORDER: &str = "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
    VALUES (overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, gen_random_uuid(), 10, 0, 10)";

/// The version that the program brings.
pub(crate) const NEWEST: i32 = database::version::NEWEST;

/// Starts the program against a database, with its log as text.
pub(crate) fn start(database: &TestDatabase, arguments: &[&str]) -> Process {
    start_at(database.url(), arguments)
}

/// As [`start`], with any address.
pub(crate) fn start_at(url: &str, arguments: &[&str]) -> Process {
    start_with(arguments, &[("DATABASE_URL", url)])
}

/// Starts the program with nothing but the given environment.
pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Process {
    let environment = [&[("LOG_FORMAT", "text")], environment].concat();
    Process::spawn(env!("CARGO_BIN_EXE_database-migration"), arguments, &environment)
}

/// Runs the program against a database to its end.
pub(crate) async fn run(database: &TestDatabase, arguments: &[&str]) -> Output {
    start(database, arguments).wait_output().await
}
