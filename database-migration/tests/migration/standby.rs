//! A real streaming standby: it replays what the primary does, and takes no changes.

use test_support::{Output, OwnCluster, eventually};

use crate::program::start_at;

async fn run(cluster: &OwnCluster, arguments: &[&str]) -> Output {
    start_at(&cluster.url(), arguments).wait_output().await
}

/// The version that a cluster's ledger says.
async fn version(cluster: &OwnCluster) -> i32 {
    let client = cluster.client().await;
    let newest = "SELECT coalesce(max(version::int), 0) FROM __diesel_schema_migrations";
    client.query_one(newest, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn wait_on_a_standby_waits_until_the_version_is_replayed() {
    let mut primary = OwnCluster::start();
    let standby = primary.standby();
    run(&standby, &["up"]).await.exits(9);
    let client = standby.client().await;
    client
        .batch_execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();
    eventually("replay has paused", async || {
        let state = client
            .query_one("SELECT pg_get_wal_replay_pause_state()", &[])
            .await;
        state.unwrap().get::<_, &str>(0) == "paused"
    })
    .await;

    run(&primary, &["up"]).await.exits(0);
    let mut waiting = start_at(&standby.url(), &["wait"]);
    waiting.wait_for_text("the database is at version 0").await;
    run(&standby, &["wait", "--wait-timeout", "1"]).await.exits(8);
    assert!(waiting.running());
    client
        .batch_execute("SELECT pg_wal_replay_resume()")
        .await
        .unwrap();

    waiting.wait_output().await.exits(0);
    assert_eq!(version(&standby).await, database::version::NEWEST);
}

#[tokio::test]
async fn a_standby_takes_no_changes_until_it_is_promoted() {
    let mut primary = OwnCluster::start();
    run(&primary, &["up", "--to", "2"]).await.exits(0);
    let standby = primary.standby();

    let changes: [&[&str]; 6] = [
        &[],
        &["up"],
        &["up", "--to", "2"],
        &["down", "--steps", "1"],
        &["repair"],
        &["roles", "apply"],
    ];
    for arguments in changes {
        let output = run(&standby, arguments).await;
        assert_eq!(output.code, Some(9), "{arguments:?}: {}", output.stderr);
        output.assert_last_line("is a standby, which takes no changes");
        output.assert_last_line("the primary");
    }
    assert_eq!(version(&primary).await, 2);
    for arguments in [["status"], ["plan"], ["validate"]] {
        let output = run(&standby, &arguments).await;
        assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    }
    let checked = run(&standby, &["roles", "check"]).await.exits(9);
    checked.assert_stdout("missing: role order_food_app (app)");

    let promoted = "SELECT pg_promote(wait => true)";
    standby.client().await.batch_execute(promoted).await.unwrap();
    run(&standby, &["up"]).await.exits(0);
    assert_eq!(version(&standby).await, database::version::NEWEST);
    assert_eq!(version(&primary).await, 2);
}
