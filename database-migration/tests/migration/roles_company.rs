//! `roles apply` beside others: tables in use, other copies of it, other databases, migrators.

use test_support::TestDatabase;

use crate::roles::{Roles, allowed};

#[tokio::test]
async fn tables_in_use_are_waited_for_and_nothing_is_done_by_halves() {
    let roles = Roles::on(TestDatabase::migrated().await);
    let reader = roles
        .database
        .session("BEGIN; SELECT count(*) FROM order_items")
        .await;

    let given_up = roles
        .run(&["roles", "apply", "--lock-timeout", "1"])
        .await
        .exits(4);
    given_up.assert_stderr("in a transaction since");
    assert!(!roles.exists("owner").await);

    let mut patient = roles.start_as(&roles.superuser_url(), &["roles", "apply"]);
    patient.wait_for_text("roles apply did not get its locks").await;
    reader.batch_execute("COMMIT").await.unwrap();
    patient.wait_output().await.exits(0);
    roles.assert_as_they_should_be().await;
}

#[tokio::test]
async fn ten_copies_at_once_make_the_roles_once() {
    let roles = Roles::on(TestDatabase::migrated().await).without_passwords();
    let copies: Vec<_> = (0..10)
        .map(|_| roles.start_as(&roles.superuser_url(), &["roles", "apply"]))
        .collect();

    let mut unchanged = 0;
    for copy in copies {
        let output = copy.wait_output().await.exits(0);
        unchanged += usize::from(output.stdout == "nothing to change\n");
    }

    assert_eq!(unchanged, 9);
    roles.assert_as_they_should_be().await;
}

#[tokio::test]
async fn two_databases_of_a_server_share_the_roles_and_may_be_made_ready_at_once() {
    let (one, other) = tokio::join!(TestDatabase::migrated(), TestDatabase::migrated());
    let prefix = format!("{}_shared_", one.name());
    let (one, other) = (Roles::named(one, &prefix), Roles::named(other, &prefix));

    let (first, second) = tokio::join!(one.run(&["roles", "apply"]), other.run(&["roles", "apply"]));

    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    one.assert_as_they_should_be().await;
    other.assert_as_they_should_be().await;
}

#[tokio::test]
async fn a_migrator_that_acts_as_the_owner_still_cancels_and_names_its_own_sessions() {
    let roles = Roles::in_place().await;
    roles.set_password("migrator", "migrator");
    roles.run(&["roles", "apply"]).await.exits(0);
    let reader = roles.client("readonly").await;
    // Blocks the first step back whichever of these tables the newest migration changes.
    allowed(
        &reader,
        "BEGIN; SELECT count(*) FROM orders, webhook_endpoints, bootstrap_runs",
    )
    .await;

    let mut blocked = roles.start_as_migrator(&["down", "--to", "1", "--allow-destructive"]);
    blocked.wait_for_text("Step 1 of").await;
    roles
        .start_as_migrator(&["up", "--lock-timeout", "0"])
        .wait_output()
        .await
        .exits(0);
    blocked.signal("TERM");
    let output = blocked.wait_output().await.exits(143);

    assert!(!output.stderr.contains("may or may not"), "{}", output.stderr);
}
