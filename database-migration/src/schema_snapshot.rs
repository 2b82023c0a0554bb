//! The tables, functions and types of a schema, and the differences between two of them.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

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

/// Names are shown as the session's search path shortens them, so that the schema's own name stands
/// nowhere.
const READ: &str = "
WITH tables AS (
    SELECT oid, relname, relpersistence FROM pg_class
    WHERE relnamespace = $1 AND relkind IN ('r', 'p') AND relname NOT IN ('__diesel_schema_migrations', 'migration_details', 'schema_migrations')
)
SELECT relname::text, 'table', '', CASE relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END
FROM tables
UNION ALL
SELECT relname, 'column', attname, concat_ws(' ', format_type(atttypid, atttypmod),
    'COLLATE ' || CASE WHEN attcollation <> typcollation THEN attcollation::regcollation::text END,
    CASE WHEN attnotnull THEN 'NOT NULL' END,
    CASE WHEN attidentity <> '' THEN 'identity ' || attidentity::text END,
    CASE WHEN attgenerated <> '' THEN 'generated' END,
    'DEFAULT ' || pg_get_expr(adbin, adrelid, true))
FROM pg_attribute
JOIN tables ON tables.oid = attrelid
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped
UNION ALL
SELECT relname, 'constraint', conname, pg_get_constraintdef(pg_constraint.oid, true)
FROM pg_constraint
JOIN tables ON tables.oid = conrelid
WHERE contype <> 'n'
UNION ALL
SELECT relname, 'index', (SELECT relname FROM pg_class WHERE oid = indexrelid),
    pg_get_indexdef(indexrelid, 0, true) || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END
FROM pg_index
JOIN tables ON tables.oid = indrelid
UNION ALL
SELECT relname, 'trigger', tgname, pg_get_triggerdef(pg_trigger.oid, true)
FROM pg_trigger
JOIN tables ON tables.oid = tgrelid
WHERE NOT tgisinternal
UNION ALL
SELECT '', 'function', format('%s(%s)', proname, pg_get_function_identity_arguments(oid)), md5(prosrc)
FROM pg_proc
WHERE pronamespace = $1
UNION ALL
SELECT '', 'type', typname, coalesce((SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = pg_type.oid), '')
FROM pg_type
WHERE typnamespace = $1 AND typtype = 'e'
UNION ALL
SELECT '', 'type', typname, concat_ws(' ', format_type(typbasetype, typtypmod),
    'COLLATE ' || CASE WHEN typcollation <> (SELECT base.typcollation FROM pg_type AS base WHERE base.oid = pg_type.typbasetype)
        THEN typcollation::regcollation::text END,
    CASE WHEN typnotnull THEN 'NOT NULL' END,
    'DEFAULT ' || typdefault,
    (SELECT string_agg(concat_ws(' ', 'CONSTRAINT', conname, pg_get_constraintdef(oid, true)), ' ' ORDER BY conname)
     FROM pg_constraint WHERE contypid = pg_type.oid AND contype <> 'n'))
FROM pg_type
WHERE typnamespace = $1 AND typtype = 'd'
";

/// Reads the schema with this object id.
pub(crate) async fn read(
    client: &(impl GenericClient + Sync),
    schema: u32,
) -> Result<SchemaSnapshot, tokio_postgres::Error> {
    let rows = client.query_typed(READ, &[(&schema, Type::OID)]).await?;
    let part = |row: &tokio_postgres::Row| -> Result<_, tokio_postgres::Error> {
        let key = Key {
            table: row.try_get(0)?,
            kind: row.try_get(1)?,
            name: row.try_get(2)?,
        };
        Ok((key, row.try_get(3)?))
    };
    rows.iter()
        .map(part)
        .collect::<Result<_, _>>()
        .map(SchemaSnapshot)
}

/// Reads the schema that unqualified names stand for.
pub(crate) async fn read_own(
    client: &(impl GenericClient + Sync),
) -> Result<SchemaSnapshot, tokio_postgres::Error> {
    let question = "SELECT current_schema()::regnamespace::oid";
    match client.query_typed_one(question, &[]).await?.try_get(0)? {
        Some(schema) => read(client, schema).await,
        None => Ok(SchemaSnapshot::default()),
    }
}

impl SchemaSnapshot {
    /// How many tables there are.
    pub(crate) fn tables(&self) -> usize {
        self.tables_by_name().len()
    }

    /// How `found` differs from this, a sentence each. Tables, functions and types that are not in
    /// this do not count: they are somebody else's.
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
