//! A panic of the migrator is a failed run like any other.

use process::failure::ExitCode;
use test_support::{TestDatabase, panic_at};

use crate::own::{self, NEXT};

const LAST: &str = "SELECT outcome, exit_code, message FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";

#[tokio::test]
async fn a_panic_in_a_migration_is_recorded_rolled_back_and_holds_no_lock() {
    let database = TestDatabase::migrated().await;
    let next = [own::migration(
        NEXT,
        "yes",
        "CREATE TABLE next ();",
        "DROP TABLE next;",
    )];

    let error = {
        let _panic = panic_at("database.execute");
        own::migrator(&database, &next).up(None).await.unwrap_err()
    };

    assert_eq!(error.exit_code(), ExitCode::Unexpected);
    let record = database.value(LAST).await;
    let fault = "failed|1|a fault of this program: panicked at ";
    assert!(record.starts_with(fault), "{record}");
    assert_eq!(database.value("SELECT to_regclass('next') IS NULL").await, "t");
    own::migrator(&database, &next).up(None).await.unwrap();
}
