//! The previous release on the schema and the data of this one: a roll-back, and a rolling update.
//!
//! `scripts/previous-release.sh` builds it as soon as there is one; until then database-migration's
//! own tests run earlier schemas against the newest.

use test_support::TestDatabase;

use crate::pod::{MIGRATION, Pod};

const ORDER: &str = r#"{"items":[{"productId":"1","quantity":2}],"couponCode":"SAVE10"}"#;

/// A pod of the previous release; none while nothing was released.
fn previous(database: &TestDatabase) -> Option<Pod> {
    let test = std::env::current_exe().expect("the path of the running test");
    let mut folders = test.ancestors();
    let target = folders.nth(3).expect("a test lies in target/<profile>/deps");
    let folder = target.join("previous-release");
    let is_built = folder.join("commit").is_file();
    is_built.then(|| {
        Pod::on(database)
            .programs(folder.join("bin"))
            .data(&folder.join("data"))
    })
}

#[tokio::test]
async fn the_previous_release_starts_on_the_newest_schema_and_takes_orders_unless_the_schema_says_no() {
    let database = TestDatabase::migrated().await;
    let Some(previous) = previous(&database) else {
        return;
    };
    let (_, api) = Pod::ready(&database).await;

    let migration = previous.run(MIGRATION, &[]).await;
    if migration.code == Some(7) {
        let said = "and needs a build of version";
        migration.assert_stderr(said);
        return;
    }
    assert_eq!(migration.code, Some(0), "{}", migration.stderr);
    previous.load().await;
    let old = previous.serve().await;

    for (taker, reader) in [(&old, &api), (&api, &old)] {
        let placed = taker.order(ORDER).await;
        assert_eq!(placed.status(), 200, "{placed:?}");
        let path = format!("/api/order/{}", placed.member("id"));
        let read = reader.get_own(&path).await;
        assert_eq!(read.status(), 200, "{read:?}");
    }
    assert_eq!(database.value("SELECT count(*) > 1 FROM orders").await, "t");
    assert_eq!(old.stop().await.code, Some(0));
}
