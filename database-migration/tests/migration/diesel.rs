//! The contract with stock diesel: its harness and its files, both ways.

use database_migration::{Embedded, State};
use diesel::pg::Pg;
use diesel_async::{AsyncConnection as _, AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness as _};
use test_support::TestDatabase;

use crate::own;
use crate::program::{NEWEST, run};

fn files() -> FileBasedMigrations {
    FileBasedMigrations::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap()
}

async fn harness(database: &TestDatabase) -> AsyncMigrationHarness<AsyncPgConnection> {
    AsyncMigrationHarness::new(AsyncPgConnection::establish(database.url()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stock_diesel_applied_is_current_and_repair_adopts_it() {
    let database = TestDatabase::empty().await;
    let applied = harness(&database)
        .await
        .run_pending_migrations(files())
        .unwrap()
        .len();
    assert_eq!(applied, usize::try_from(NEWEST).unwrap());

    let status = own::migrator(&database, &[]).status().await.unwrap();
    assert_eq!(
        (status.version, status.pending, &status.problem),
        (NEWEST, 0, &None)
    );
    assert!(status.migrations.iter().all(|row| row.state == State::Unverified));
    let unverified = run(&database, &["validate"]).await.exits(5);
    assert!(
        unverified
            .stdout
            .contains("0002_orders was applied by another program")
    );
    let warned = run(&database, &["up"]).await.exits(0);
    warned.assert_stderr("unverified: 0001_shop, ");

    run(&database, &["repair"]).await.exits(0);
    run(&database, &["validate"]).await.exits(0);
    let records = "SELECT count(*) FROM bootstrap_runs";
    let before = database.value(records).await;
    let up = run(&database, &["up"]).await.exits(0);
    assert!(!up.stderr.contains("unverified"), "{}", up.stderr);
    assert_eq!(
        database.value(records).await,
        before,
        "the fast path records nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_up_applied_is_not_pending_for_stock_diesel() {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "1"]).await;
    let mut stock = harness(&database).await;
    assert!(stock.has_pending_migration(files()).unwrap());

    run(&database, &["up"]).await;

    assert!(!stock.has_pending_migration(files()).unwrap());
    assert!(!diesel_migrations::MigrationHarness::<Pg>::has_pending_migration(&mut stock, Embedded).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stock_diesel_reverted_is_pending_and_up_applies_it_again() {
    let database = TestDatabase::migrated().await;
    harness(&database).await.revert_last_migration(Embedded).unwrap();

    let status = own::migrator(&database, &[]).status().await.unwrap();
    assert_eq!((status.version, status.pending), (NEWEST - 1, 1));

    run(&database, &["up"]).await.exits(0);
    run(&database, &["validate"]).await.exits(0);
}
