//! `roles apply` and `roles check`, by a superuser.

use database_migration::Migrator;
use database_migration::roles::Names;
use serde_json::Value;
use test_support::{Cluster, TestDatabase, settings};

use crate::own;
use crate::program::start_with;
use crate::roles::{ROLES, Roles, allowed, refused};

#[tokio::test]
async fn roles_applied_before_the_first_migration_need_no_second_run_after_it() {
    let roles = Roles::on(TestDatabase::empty().await);
    let missing = roles.run(&["roles", "check"]).await.exits(9);
    for role in ROLES {
        let line = format!("missing: role {} ({role})", roles.name(role));
        assert!(missing.stdout.lines().any(|it| it == line), "{}", missing.stdout);
    }

    let first = roles.run(&["roles", "apply"]).await.exits(0);
    let second = roles.run(&["roles", "apply"]).await.exits(0);
    // The passwords are changed behind the back of `roles apply`: that is all it then sets.
    let migrated = {
        roles.set_password("migrator", "migrator");
        let third = roles.run(&["roles", "apply"]).await;
        let line = format!("set the password of {}\n", roles.name("migrator"));
        assert_eq!(third.stdout, line, "{}", third.stderr);
        roles.start_as_migrator(&["up"]).wait_output().await
    };

    let created = format!("created role {} (LOGIN)", roles.name("app"));
    assert_eq!(first.stdout.lines().filter(|line| *line == created).count(), 1);
    assert_eq!(second.stdout, "nothing to change\n");
    assert_eq!(migrated.code, Some(0), "{}", migrated.stderr);
    assert_eq!(roles.owners().await, [[roles.name("owner")]]);
    roles.assert_as_they_should_be().await;
    for look in ["validate", "plan", "status"] {
        let output = roles.start_as_migrator(&[look]).wait_output().await;
        assert_eq!(output.code, Some(0), "{look}: {}{}", output.stdout, output.stderr);
    }
}

#[tokio::test]
async fn roles_applied_to_a_database_in_use_take_over_its_tables_and_keep_its_rows() {
    let roles = Roles::on(TestDatabase::migrated().await);
    roles
        .database
        .execute("INSERT INTO products (id, name, price, category) VALUES (1, 'Waffle', 9.99, 'Waffle')")
        .await;

    let first = roles.run(&["roles", "apply"]).await.exits(0);
    let second = roles.run(&["roles", "apply"]).await;

    let given = format!("gave orders from order_food to {}", roles.name("owner"));
    assert!(first.stdout.lines().any(|line| line == given), "{}", first.stdout);
    let tables = roles
        .database
        .rows("SELECT FROM pg_tables WHERE schemaname = 'public'")
        .await;
    assert_eq!(first.stdout.matches("gave ").count(), tables.len());
    assert_eq!(second.stdout, "nothing to change\n");
    assert_eq!(roles.owners().await, [[roles.name("owner")]]);
    let app = roles.client("app").await;
    let row = app.query_one("SELECT name FROM products", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "Waffle");
    let recorded = "SELECT command, outcome, exit_code FROM bootstrap_runs WHERE command LIKE 'roles%'";
    let client = roles.client("readonly").await;
    let row = client.query_one(recorded, &[]).await.unwrap();
    assert_eq!(
        (row.get(0), row.get(1), row.get(2)),
        ("roles apply", "changed", 0i16)
    );
    roles.assert_as_they_should_be().await;
}

#[tokio::test]
async fn what_a_superuser_migrates_belongs_to_the_owner_all_the_same() {
    let roles = Roles::on(TestDatabase::empty().await).without_passwords();
    let steps: [&[&str]; 5] = [
        &["up", "--to", "1"],
        &["roles", "apply"],
        &["up"],
        &["down", "--to", "2", "--allow-destructive"],
        &["up"],
    ];

    for arguments in steps {
        let output = roles.run(arguments).await;
        assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    }

    assert_eq!(roles.owners().await, [[roles.name("owner")]]);
    roles.assert_as_they_should_be().await;
}

#[tokio::test]
async fn a_later_migration_leaves_its_tables_and_columns_with_the_right_rights() {
    let roles = Roles::in_place().await;
    let migrator = later_migration(&roles).await;

    migrator.up(None).await.unwrap();

    roles.assert_as_they_should_be().await;
    assert_eq!(roles.owners().await, [[roles.name("owner")]]);
    for role in ["app", "loader", "worker", "readonly"] {
        let client = roles.client(role).await;
        allowed(&client, "SELECT id FROM tables_at_noon").await;
        refused(&client, "INSERT INTO tables_at_noon VALUES (1)").await;
    }
    let readonly = roles.client("readonly").await;
    allowed(&readonly, "SELECT note FROM api_keys").await;
    refused(&readonly, "SELECT key_hash FROM api_keys").await;
}

/// A run as the migrator, with one migration more: a table that no list knows, and a column of one
/// that is listed.
async fn later_migration(roles: &Roles) -> Migrator {
    roles.set_password("migrator", "migrator");
    roles.run(&["roles", "apply"]).await.exits(0);
    let url = roles.url(&roles.name("migrator"), "migrator");
    let database = database::Database::new(&settings(&url), "test").unwrap();
    let mut migrator = Migrator::new(database).unwrap();
    let next = migrator.newest() + 1;
    let up = "CREATE TABLE tables_at_noon (id bigint); ALTER TABLE api_keys ADD note text;";
    let migration = own::named(
        &format!("{next:04}_noon"),
        "yes",
        up,
        "DROP TABLE tables_at_noon;",
    );
    migrator.migrations.push(migration);
    let name = |role: &str| Value::from(roles.name(role));
    let named = ROLES.map(|role| (role.to_owned(), name(role)));
    let named: serde_json::Map<String, Value> = named.into_iter().collect();
    migrator.roles = Names::new(&serde_json::from_value(Value::Object(named)).unwrap()).unwrap();
    migrator
}

/// A line for each: a change by other hands, and what is found of it.
const DAMAGES: &str = include_str!("roles_damages.jsonl");

#[tokio::test]
async fn check_names_what_is_missing_and_what_is_too_much_and_apply_mends_it() {
    let roles = Roles::in_place().await;
    let damages: Vec<(String, String)> = DAMAGES
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|[damage, finding]: [String; 2]| (damage, roles.named_in(&finding)))
        .collect();
    for (damage, _) in &damages {
        roles.execute(damage).await;
    }

    let all = roles.run(&["roles", "check"]).await.exits(9);
    let applied = roles.run(&["roles", "apply"]).await.exits(0);

    for (damage, finding) in &damages {
        let found = all.stdout.lines().any(|line| line == finding);
        assert!(found, "{damage}: {finding}: {}", all.stdout);
    }
    all.assert_last_line(all.stdout.lines().next().unwrap());
    all.assert_last_line(" more. To do: database-migration roles apply");
    let revoked = roles.named_in("revoked DELETE, UPDATE (total) on orders from {loader}\n");
    applied.assert_stdout(&revoked);
    roles.assert_as_they_should_be().await;
}

#[tokio::test]
async fn names_may_need_quotes() {
    let database = TestDatabase::empty().await;
    let schema = "CREATE SCHEMA \"the shop\"; ALTER DATABASE {} SET search_path = \"the shop\"";
    database.execute(&schema.replace("{}", database.name())).await;
    let prefix = format!("{} Küche \"1\" it's \\ {{}}; --", database.name());
    let roles = Roles::named(database.clone(), &prefix);

    roles.run(&["roles", "apply"]).await.exits(0);
    let second = roles.run(&["roles", "apply"]).await;

    assert_eq!(second.stdout, "nothing to change\n", "{}", second.stderr);
    let migrator = roles.client("migrator").await;
    allowed(&migrator, "CREATE TABLE made_by_the_migrator (id bigint)").await;
    allowed(&roles.client("app").await, "SELECT * FROM made_by_the_migrator").await;
    let made = "SELECT schemaname, tableowner FROM pg_tables WHERE tablename = 'made_by_the_migrator'";
    assert_eq!(
        database.value(made).await,
        format!("the shop|{}", roles.name("owner"))
    );
}

#[tokio::test]
async fn a_password_is_neither_said_nor_sent() {
    let roles = Roles::on(TestDatabase::empty().await);
    Cluster::shared().log_statements_of(&roles.database).await;
    roles.set_password("app", "hunter2-of-the-app");

    let output = roles.run(&["roles", "apply", "--json"]).await.exits(0);

    let log = Cluster::shared().log();
    let altered = format!(
        "ALTER ROLE \"{}\" PASSWORD 'SCRAM-SHA-256$4096:",
        roles.name("app")
    );
    assert!(log.contains(&altered));
    for text in [&log, &output.stdout, &output.stderr] {
        assert!(!text.contains("hunter2"));
    }
    assert!(!(output.stdout + &output.stderr).contains("SCRAM"));
    allowed(&roles.client("app").await, "SELECT 1").await;
}

#[tokio::test]
async fn as_json_the_answer_has_every_change_and_every_finding() {
    let roles = Roles::on(TestDatabase::migrated().await);
    let answer = |text: &str| -> Value { serde_json::from_str(text).unwrap() };

    let checked = answer(&roles.run(&["roles", "check", "--json"]).await.stdout);
    let applied = answer(&roles.run(&["roles", "apply", "--json"]).await.stdout);
    let again = answer(&roles.run(&["roles", "apply", "--json"]).await.stdout);

    let has = |list: &Value, item: String| list.as_array().unwrap().contains(&item.into());
    let finding = format!("missing: role {} (app)", roles.name("app"));
    assert!(has(&checked["findings"], finding), "{checked}");
    let change = format!("granted INSERT, SELECT on orders to {}", roles.name("app"));
    assert!(has(&applied["changes"], change), "{applied}");
    assert_eq!(again["changes"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_wrong_setting_ends_with_2_and_names_it() {
    let roles = Roles::on(TestDatabase::empty().await);

    for text in ["", "\n", "two\nlines\n"] {
        std::fs::write(roles.password_file("loader"), text).unwrap();
        let output = roles.run(&["roles", "apply"]).await;
        assert_eq!(output.code, Some(2), "{text:?}: {}", output.stderr);
        output.assert_stderr("roles.loader_password_file");
    }
    let file = [
        ("ROLE_APP_PASSWORD_FILE", "/nowhere"),
        ("DATABASE_URL", roles.database.url()),
    ];
    let missing = start_with(&["roles", "check"], &file)
        .wait_output()
        .await
        .exits(2);
    missing.assert_stderr("/nowhere");
    let none = "SELECT count(*) FROM pg_roles WHERE rolname LIKE current_database() || '\\_%'";
    assert_eq!(roles.database.value(none).await, "0");
}

#[tokio::test]
async fn a_superuser_is_not_demoted_and_no_role_changes_itself() {
    let roles = Roles::on(TestDatabase::migrated().await).without_passwords();
    roles.execute("CREATE ROLE {app} SUPERUSER").await;

    let superuser = roles.run(&["roles", "apply"]).await.exits(9);

    let said = format!("SUPERUSER from {}", roles.name("app"));
    superuser.assert_stderr(&said);
    assert!(!roles.exists("owner").await);

    roles.execute("ALTER ROLE {app} NOSUPERUSER").await;
    roles.set_password("migrator", "migrator");
    roles.run(&["roles", "apply"]).await.exits(0);
    let itself = roles
        .start_as_migrator(&["roles", "apply"])
        .wait_output()
        .await
        .exits(2);
    itself.assert_stderr("roles.owner");
}
