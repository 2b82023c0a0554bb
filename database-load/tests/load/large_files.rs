//! Files too large to be hashed at every start: known by size and time first, by content in the
//! end.

use std::fs::File;
use std::time::{Duration, SystemTime};

use database_load::Outcome;
use test_support::TestDatabase;

use crate::fixture::{Data, outcomes, places};

/// Node after node unpacks the same image at another time.
fn node(day: u64, first: &str) -> Data {
    let data = Data::copy();
    let codes: String = (0..1_000_000).map(|number| format!("C{number:08}\n")).collect();
    data.write("default/coupons1.txt", format!("{first}\n{codes}"));
    data.edit("default/coupons2.txt", "HAPPYHRS", &format!("HAPPYHRS\n{first}"));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400);
    let file = File::options()
        .append(true)
        .open(data.path("default/coupons1.txt"))
        .unwrap();
    file.set_modified(time).unwrap();
    data
}

#[tokio::test]
async fn the_same_large_files_on_another_node_are_unchanged_and_known_from_then_on() {
    let database = TestDatabase::migrated().await;
    node(1, "OLDCODE1").load(&database).await;
    let other = node(2, "OLDCODE1");
    let before = database.rows("SELECT ctid, xmin FROM products ORDER BY id").await;
    let fingerprint = "SELECT fingerprint FROM dataset_versions";
    let first = database.value(fingerprint).await;

    assert_eq!(
        other.load(&database).await.profiles[0].outcome,
        Outcome::Unchanged
    );

    assert_ne!(database.value(fingerprint).await, first);
    let after = database.rows("SELECT ctid, xmin FROM products ORDER BY id").await;
    assert_eq!(after, before);
    let known = places(&database).await;
    other.load(&database).await;
    assert_eq!(places(&database).await, known);
    assert_eq!(outcomes(&database).await, ["changed", "unchanged", "unchanged"]);
}

#[tokio::test]
async fn an_old_pod_on_another_node_does_not_bring_old_large_files_back() {
    let database = TestDatabase::migrated().await;
    node(1, "OLDCODE1").load(&database).await;
    node(2, "NEWCODE1").load(&database).await;
    let old = node(3, "OLDCODE1");

    assert_eq!(old.load(&database).await.profiles[0].outcome, Outcome::Held);
    // Known by its time from now on.
    assert_eq!(old.load(&database).await.profiles[0].outcome, Outcome::Held);

    let active_data = "SELECT version FROM dataset_versions WHERE state = 'active'";
    assert_eq!(database.value(active_data).await, "2");
    assert_eq!(old.force(&database).await.profiles[0].version, Some(3));
}
