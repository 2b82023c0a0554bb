//! The tables, functions and types of a schema, in use or as the migrations make it, compared.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, GenericClient, Row};

use crate::concurrent_index::{statements, without_concurrency};
use crate::source::Migration;

/// Everything in a schema: by table, then kind and name, the definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SchemaSnapshot(BTreeMap<Key, String>);

/// Functions and types belong to no table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: String,
    kind: String,
    name: String,
}

const READ: &str = include_str!("schema_snapshot.sql");

/// Without the right to make schemas the session's own temporary one is used.
const SCRATCH: &str = "
SELECT has_database_privilege(current_database(), 'CREATE'), format('scratch_%s', pg_backend_pid())
";

/// Reads the schema that unqualified names stand for.
pub(crate) async fn read(client: &(impl GenericClient + Sync)) -> Result<SchemaSnapshot, Error> {
    let part = |row: &Row| -> Result<_, Error> {
        let key = Key {
            table: row.try_get(0)?,
            kind: row.try_get(1)?,
            name: row.try_get(2)?,
        };
        Ok((key, row.try_get(3)?))
    };
    let rows = client.query_typed(READ, &[]).await?;
    rows.iter()
        .map(part)
        .collect::<Result<_, _>>()
        .map(SchemaSnapshot)
}

/// Reads what the migrations make: in a schema of its own, in a transaction that is rolled back.
/// No table in use is touched.
pub(crate) async fn of_migrations(
    client: &mut Client,
    migrations: &[Migration],
) -> Result<SchemaSnapshot, Error> {
    let transaction = client.transaction().await?;
    let row = transaction.query_typed_one(SCRATCH, &[]).await?;
    let (may_create, scratch): (bool, &str) = (row.try_get(0)?, row.try_get(1)?);
    let place = if may_create {
        format!("CREATE SCHEMA {scratch}; SET LOCAL search_path = {scratch}")
    } else {
        "SET LOCAL search_path = pg_temp".to_owned()
    };
    transaction.batch_execute(&place).await?;
    for migration in migrations {
        if migration.metadata.run_in_transaction {
            transaction.batch_execute(&migration.up).await?;
            continue;
        }
        for statement in statements(&migration.up) {
            transaction.batch_execute("SAVEPOINT statement").await?;
            let statement = without_concurrency(statement);
            match transaction.batch_execute(&statement).await {
                // VACUUM and the like change no schema.
                Err(error) if error.code() == Some(&SqlState::ACTIVE_SQL_TRANSACTION) => {
                    let undo = "ROLLBACK TO SAVEPOINT statement";
                    transaction.batch_execute(undo).await?;
                }
                result => result?,
            }
        }
    }
    read(&transaction).await
}

impl SchemaSnapshot {
    /// How many tables there are.
    pub(crate) fn tables(&self) -> usize {
        self.tables_by_name().len()
    }

    /// How `found` differs from this, a sentence each. Tables, functions and types that are not in
    /// this do not count: they belong to others.
    pub(crate) fn differences(&self, found: &Self) -> Vec<String> {
        let own = self.tables_by_name();
        let gone = |table: &str| !found.tables_by_name().contains(table);
        let expected = self.0.iter().filter_map(|(key, definition)| {
            match found.0.get(key) {
                Some(other) if other == definition => None,
                Some(other) => Some(format!("{key} is {other}, not {definition}")),
                // One line for a table that is not there.
                None if key.kind != "table" && !key.table.is_empty() && gone(&key.table) => None,
                None => Some(format!("{key} is missing")),
            }
        });
        let added = found
            .0
            .keys()
            .filter(|key| own.contains(key.table.as_str()) && !self.0.contains_key(key))
            .map(|key| format!("{key} is not of the migrations"));
        expected.chain(added).collect()
    }

    fn tables_by_name(&self) -> BTreeSet<&str> {
        let tables = self.0.keys().filter(|key| key.kind == "table");
        tables.map(|key| key.table.as_str()).collect()
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, kind, name } = self;
        match (kind.as_str(), table.as_str()) {
            ("table", _) => write!(f, "table {table}"),
            (_, "") => write!(f, "{kind} {name}"),
            _ => write!(f, "{kind} {name} of {table}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(parts: &[(&str, &str, &str, &str)]) -> SchemaSnapshot {
        let part = |(table, kind, name, definition): &(&str, &str, &str, &str)| {
            let key = Key {
                table: (*table).into(),
                kind: (*kind).into(),
                name: (*name).into(),
            };
            (key, (*definition).to_owned())
        };
        SchemaSnapshot(parts.iter().map(part).collect())
    }

    const TABLE: (&str, &str, &str, &str) = ("orders", "table", "", "logged");
    const COLUMN: (&str, &str, &str, &str) = ("orders", "column", "total", "numeric(14,2) NOT NULL");
    const INDEX: (&str, &str, &str, &str) = ("orders", "index", "orders_idx", "CREATE INDEX …");

    #[test]
    fn what_is_missing_changed_or_added_is_named_once() {
        let expected = snapshot(&[TABLE, COLUMN, INDEX]);
        let note = ("orders", "column", "note", "text");
        let found = snapshot(&[TABLE, ("orders", "column", "total", "bigint"), note]);

        assert_eq!(
            expected.differences(&found),
            [
                "column total of orders is bigint, not numeric(14,2) NOT NULL",
                "index orders_idx of orders is missing",
                "column note of orders is not of the migrations",
            ]
        );
        assert_eq!(
            expected.differences(&SchemaSnapshot::default()),
            ["table orders is missing"]
        );
        assert_eq!(expected.differences(&expected), [""; 0]);
    }

    #[test]
    fn tables_of_others_do_not_count() {
        let expected = snapshot(&[TABLE]);
        let found = snapshot(&[
            TABLE,
            ("spatial", "table", "", "logged"),
            ("", "function", "f()", "0"),
        ]);

        assert_eq!(expected.differences(&found), [""; 0]);
    }
}
