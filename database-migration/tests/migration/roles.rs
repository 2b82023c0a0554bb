//! The five roles of a test: names of its own on the shared server, passwords in files.

use database::Database;
use tempfile::TempDir;
use test_support::{Cluster, Output, Process, TestDatabase};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::program::start_with;

pub(crate) const ROLES: [&str; 6] = ["owner", "migrator", "app", "loader", "worker", "readonly"];

/// A database, its superuser, and what its roles are called.
pub(crate) struct Roles {
    pub(crate) database: TestDatabase,
    prefix: String,
    folder: TempDir,
}

impl Roles {
    /// No role exists yet; those that log in have password files.
    pub(crate) fn on(database: TestDatabase) -> Roles {
        let prefix = format!("{}_", database.name());
        Roles::named(database, &prefix)
    }

    /// As [`Roles::on`], with names that begin with `prefix`.
    pub(crate) fn named(database: TestDatabase, prefix: &str) -> Roles {
        let roles = Roles {
            database,
            prefix: prefix.to_owned(),
            folder: tempfile::tempdir().unwrap(),
        };
        for role in &ROLES[1..] {
            roles.set_password(role, &format!("pä$$wörd of {role}"));
        }
        roles
    }

    /// Everything in place.
    pub(crate) async fn in_place() -> Roles {
        let roles = Roles::on(TestDatabase::migrated().await);
        roles.run(&["roles", "apply"]).await.exits(0);
        roles
    }

    pub(crate) fn name(&self, role: &str) -> String {
        format!("{}{role}", self.prefix)
    }

    pub(crate) fn password_file(&self, role: &str) -> String {
        self.folder.path().join(role).to_str().unwrap().to_owned()
    }

    /// The roles have no password files: deriving keys takes an unoptimized program a while.
    pub(crate) fn without_passwords(self) -> Roles {
        for role in &ROLES[1..] {
            std::fs::remove_file(self.password_file(role)).unwrap();
        }
        self
    }

    pub(crate) fn set_password(&self, role: &str, password: &str) {
        std::fs::write(self.password_file(role), format!("{password}\n")).unwrap();
    }

    /// Address of the database for the superuser.
    pub(crate) fn superuser_url(&self) -> String {
        self.database.as_superuser().url().to_owned()
    }

    fn superuser(&self) -> Database {
        self.database.as_superuser().database()
    }

    /// A connection of the role, with the password of its file.
    pub(crate) async fn client(&self, role: &str) -> Client {
        let password = std::fs::read_to_string(self.password_file(role)).unwrap();
        let password = password.trim_end().to_owned().into();
        let database = self.superuser().as_role(&self.name(role), Some(&password));
        database
            .connect()
            .await
            .unwrap_or_else(|error| panic!("{role}: {error:?}"))
    }

    pub(crate) async fn superuser_client(&self) -> Client {
        self.superuser().connect().await.unwrap()
    }

    /// Runs statements as the superuser; `{app}` stands for the app's name as an identifier, and so
    /// on, `{database}` for the database's.
    pub(crate) async fn execute(&self, sql: &str) {
        let text = self.filled(sql, |name| format!("\"{}\"", name.replace('"', "\"\"")));
        let client = self.superuser_client().await;
        client
            .batch_execute(&text)
            .await
            .unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }

    /// The text with the names for `{app}` and so on, and for `{database}`.
    pub(crate) fn named_in(&self, text: &str) -> String {
        self.filled(text, |name| name)
    }

    fn filled(&self, text: &str, shown: fn(String) -> String) -> String {
        let text = text.replace("{database}", self.database.name());
        let fill = |text: String, role| text.replace(&format!("{{{role}}}"), &shown(self.name(role)));
        ROLES.into_iter().fold(text, fill)
    }

    /// Starts the program with the settings of these roles and a connection to `url`.
    pub(crate) fn start_as(&self, url: &str, arguments: &[&str]) -> Process {
        let mut environment = vec![("DATABASE_URL".to_owned(), url.to_owned())];
        for role in ROLES {
            environment.push((format!("ROLE_{}", role.to_uppercase()), self.name(role)));
            if std::fs::exists(self.password_file(role)).unwrap() {
                let variable = format!("ROLE_{}_PASSWORD_FILE", role.to_uppercase());
                environment.push((variable, self.password_file(role)));
            }
        }
        let environment: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        start_with(arguments, &environment)
    }

    /// Runs the program as the superuser.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.start_as(&self.superuser_url(), arguments)
            .wait_output()
            .await
    }

    /// Address of the database for a role whose name and password need no escaping.
    pub(crate) fn url(&self, role: &str, password: &str) -> String {
        let port = Cluster::shared().port();
        format!(
            "postgres://{role}:{password}@127.0.0.1:{port}/{}",
            self.database.name()
        )
    }

    /// Runs the program as the migrator, with nothing but what a pod has: no password but its own.
    pub(crate) fn start_as_migrator(&self, arguments: &[&str]) -> Process {
        self.set_password("migrator", "migrator");
        let url = self.url(&self.name("migrator"), "migrator");
        self.start_as(&url, arguments)
    }

    /// `roles check` finds nothing.
    pub(crate) async fn assert_as_they_should_be(&self) {
        let output = self.run(&["roles", "check"]).await.exits(0);
        assert_eq!(output.stdout, "the roles are as they should be\n");
    }

    pub(crate) async fn exists(&self, role: &str) -> bool {
        let found = "SELECT FROM pg_roles WHERE rolname = $1";
        let client = self.superuser_client().await;
        client
            .query_opt(found, &[&self.name(role)])
            .await
            .unwrap()
            .is_some()
    }

    /// The owners of the tables.
    pub(crate) async fn owners(&self) -> Vec<Vec<String>> {
        let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
        self.database.rows(owners).await
    }
}

/// The statement is refused for want of a right.
pub(crate) async fn refused(client: &Client, sql: &str) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    assert_eq!(
        error.code(),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE),
        "{sql}: {error:?}"
    );
}

/// The statement is allowed.
pub(crate) async fn allowed(client: &Client, sql: &str) {
    client
        .batch_execute(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}
