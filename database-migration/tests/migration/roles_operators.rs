//! `roles apply` by roles that are no superusers.

use test_support::{Cluster, Output, TestDatabase};

use crate::roles::{Roles, allowed};

/// An operator who may log in, and what else `attributes` say.
async fn operator(roles: &Roles, attributes: &str) -> String {
    let name = format!("{}_operator", roles.database.name());
    roles
        .execute(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'operator' {attributes}"
        ))
        .await;
    name
}

async fn run_as(roles: &Roles, operator: &str, arguments: &[&str]) -> Output {
    let url = roles.url(operator, "operator");
    roles.start_as(&url, arguments).wait_output().await
}

/// What a provider's "administrator" is: owns the database, and may make roles.
async fn owner_of_the_database(roles: &Roles) -> String {
    let operator = operator(roles, "CREATEROLE").await;
    roles
        .execute(&format!(
            "ALTER DATABASE {{database}} OWNER TO {operator}; ALTER SCHEMA public OWNER TO {operator}"
        ))
        .await;
    operator
}

#[tokio::test]
async fn the_owner_of_the_database_with_createrole_needs_no_superuser() {
    let roles = Roles::on(TestDatabase::empty().await);
    let operator = owner_of_the_database(&roles).await;
    run_as(&roles, &operator, &["up", "--to", "2"]).await.exits(0);

    let first = run_as(&roles, &operator, &["roles", "apply"]).await.exits(0);
    let second = run_as(&roles, &operator, &["roles", "apply"]).await;
    run_as(&roles, &operator, &["roles", "check"]).await.exits(0);

    let member = format!("granted {} to {operator}", roles.name("owner"));
    assert!(
        first.stdout.lines().any(|line| line == member),
        "{}",
        first.stdout
    );
    assert_eq!(second.stdout, "nothing to change\n", "{}", second.stderr);
    roles.assert_as_they_should_be().await;
    assert_eq!(roles.owners().await, [[roles.name("owner")]]);

    roles.set_password("migrator", "migrator");
    let rotated = run_as(&roles, &operator, &["roles", "apply"]).await;
    let line = format!("set the password of {}\n", roles.name("migrator"));
    assert_eq!(rotated.stdout, line, "{}", rotated.stderr);
    roles.start_as_migrator(&["up"]).wait_output().await.exits(0);
    roles.assert_as_they_should_be().await;
}

/// `pgaadauth_create_principal` of Azure makes a role that logs in and has no password.
#[tokio::test]
async fn roles_that_exist_already_are_granted_to_and_named() {
    let roles = Roles::on(TestDatabase::migrated().await);
    let principals = ["app", "loader", "migrator"].map(|role| roles.name(role));
    for name in &principals {
        roles.execute(&format!("CREATE ROLE \"{name}\" LOGIN")).await;
    }

    let first = roles.run(&["roles", "apply"]).await.exits(0);
    let second = roles.run(&["roles", "apply"]).await;

    for name in &principals {
        let kept = format!("kept role {name}: it existed already, and was granted its rights");
        let logged = format!("role {name} existed already");
        assert!(first.stdout.lines().any(|line| line == kept), "{}", first.stdout);
        first.assert_stderr(&logged);
        assert!(
            !first.stdout.contains(&format!("created role {name} ")),
            "{}",
            first.stdout
        );
    }
    assert_eq!(
        first.stdout.matches("kept role").count(),
        principals.len(),
        "{}",
        first.stdout
    );
    assert!(
        first
            .stdout
            .contains(&format!("created role {} (", roles.name("worker")))
    );
    assert_eq!(second.stdout, "nothing to change\n");
    roles.assert_as_they_should_be().await;
}

#[tokio::test]
async fn whether_a_password_is_right_is_asked_without_a_failed_login() {
    let roles = Roles::on(TestDatabase::empty().await);
    let operator = owner_of_the_database(&roles).await;
    run_as(&roles, &operator, &["roles", "apply"]).await.exits(0);

    let again = run_as(&roles, &operator, &["roles", "apply"]).await;

    assert_eq!(again.stdout, "nothing to change\n");
    let failed = format!("password authentication failed for user \"{}", roles.name(""));
    assert!(!Cluster::shared().log().contains(&failed));
    roles.set_password("app", "another");
    let differs = run_as(&roles, &operator, &["roles", "check"]).await.exits(9);
    let finding = format!(
        "differs: password of {} is not that of roles.app_password_file\n",
        roles.name("app")
    );
    assert_eq!(differs.stdout, finding);
}

#[tokio::test]
async fn a_role_without_the_rights_gets_exit_9_and_nothing_is_done_by_halves() {
    for attributes in ["", "CREATEROLE"] {
        let roles = Roles::on(TestDatabase::migrated().await);
        let operator = operator(&roles, attributes).await;

        let output = run_as(&roles, &operator, &["roles", "apply"]).await;

        assert_eq!(output.code, Some(9), "{attributes}: {}", output.stderr);
        output.assert_last_line("nothing was changed");
        output.assert_last_line("CREATEROLE");
        assert_eq!(output.stdout, "");
        assert!(!roles.exists("owner").await);
    }
}

#[tokio::test]
async fn every_role_may_check() {
    let roles = Roles::in_place().await;

    roles.set_password("readonly", "readonly");
    roles.run(&["roles", "apply"]).await.exits(0);
    let url = roles.url(&roles.name("readonly"), "readonly");
    roles
        .start_as(&url, &["roles", "check"])
        .wait_output()
        .await
        .exits(0);
}

#[tokio::test]
async fn what_other_roles_have_granted_is_taken_back_all_the_same() {
    let roles = Roles::on(TestDatabase::migrated().await);
    let operator = owner_of_the_database(&roles).await;
    roles.execute(&format!("GRANT order_food TO {operator}")).await;
    run_as(&roles, &operator, &["roles", "apply"]).await.exits(0);
    let [owner, app, loader] = ["owner", "app", "loader"].map(|role| roles.name(role));
    roles
        .execute(&format!(
            "SET SESSION AUTHORIZATION {operator}; GRANT {owner} TO {app}"
        ))
        .await;
    roles
        .execute(
            "GRANT SELECT ON products TO {app} WITH GRANT OPTION;
             SET ROLE {app}; GRANT SELECT ON products TO {loader}, PUBLIC",
        )
        .await;

    let checked = roles.run(&["roles", "check"]).await.exits(9);
    let applied = roles.run(&["roles", "apply"]).await.exits(0);

    applied.assert_stdout(&format!("revoked {owner} from {app}\n"));
    roles.assert_as_they_should_be().await;
    allowed(&roles.client("loader").await, "SELECT id FROM products").await;
    assert!(!checked.stdout.contains(&loader), "{}", checked.stdout);
}
