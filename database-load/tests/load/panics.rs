//! A panic of the loader is a failed run like any other.

use process::failure::ExitCode;
use test_support::{TestDatabase, panic_at};

use crate::fixture::{Data, outcomes, places};

const LAST: &str = "SELECT exit_code, message FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";

#[tokio::test]
async fn a_panic_while_publishing_is_recorded_and_changes_nothing() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    let failure = {
        let _panic = panic_at("dataload.publish");
        data.try_load(&database).await.unwrap_err()
    };

    assert_eq!(failure.code, ExitCode::Unexpected);
    let fault = "a fault of this program: panicked at ";
    assert!(failure.line().contains(fault), "{}", failure.line());
    assert_eq!(outcomes(&database).await, ["failed"]);
    let record = database.value(LAST).await;
    assert!(record.starts_with(&format!("1|{fault}")), "{record}");
    assert!(
        record.ends_with("panic of a test at dataload.publish"),
        "{record}"
    );
    assert_eq!(places(&database).await, Vec::<Vec<String>>::new());
    data.load(&database).await;
}
