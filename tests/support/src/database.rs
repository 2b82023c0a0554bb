//! A database for one test.

use crate::cluster::{Cluster, Content};

/// A database of one test's own on the shared server; all tests run in parallel.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// A database with the newest schema and no rows.
    pub async fn migrated() -> Self {
        Self::create(Content::Migrated).await
    }

    /// A database without any table.
    pub async fn empty() -> Self {
        Self::create(Content::Empty).await
    }

    async fn create(content: Content) -> Self {
        let cluster = Cluster::shared();
        let name = cluster.create_database(content).await;
        let url = cluster.url(&name);
        Self { name, url }
    }

    /// The same database, seen and changed by the superuser.
    #[must_use]
    pub fn as_superuser(&self) -> Self {
        let (server, _) = Cluster::shared()
            .admin_url()
            .rsplit_once('/')
            .expect("an address with a database");
        Self {
            name: self.name.clone(),
            url: format!("{server}/{}", self.name),
        }
    }

    /// Its name on the shared server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `postgres://` address with password: the value of `DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The section `[database]` of a service that uses this database.
    #[must_use]
    pub fn settings(&self) -> database::Settings {
        settings(&self.url)
    }

    /// Where it is, for the code under test.
    #[must_use]
    pub fn database(&self) -> database::Database {
        database::Database::new(&self.settings(), "test").expect("settings of a test")
    }

    /// A connection of its own, not made by the code under test.
    pub async fn client(&self) -> tokio_postgres::Client {
        connect(&self.url).await
    }

    /// A connection of its own on which these statements ran: a transaction that stays open.
    pub async fn session(&self, sql: &str) -> tokio_postgres::Client {
        let client = self.client().await;
        let done = client.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        client
    }

    /// One value of one row, as text: `SELECT count(*) …`.
    pub async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "one row expected of {sql}: {rows:?}");
        rows[0].join("|")
    }

    /// Waits until the query has this value; fails the test with `what` after
    /// [`PATIENCE`](crate::PATIENCE).
    pub async fn until(&self, what: &str, sql: &str, expected: &str) {
        crate::eventually(what, async || self.value(sql).await == expected).await;
    }

    /// All rows of a query, every value as text, null as `∅`.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let client = self.client().await;
        let messages = client
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let text = |row: &tokio_postgres::SimpleQueryRow| {
            (0..row.len())
                .map(|column| row.get(column).unwrap_or("∅").to_owned())
                .collect()
        };
        messages
            .iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(text(row)),
                _ => None,
            })
            .collect()
    }

    /// Runs statements that return nothing.
    pub async fn execute(&self, sql: &str) {
        self.session(sql).await;
    }
}

/// The section `[database]` with only the address set.
#[must_use]
pub fn settings(url: &str) -> database::Settings {
    serde_json::from_value(serde_json::json!({ "url": url })).expect("settings with an address")
}

/// A plain connection, its driver spawned on the test's runtime.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap_or_else(|error| panic!("connect to PostgreSQL: {error:?}"));
    tokio::spawn(connection);
    client
}
