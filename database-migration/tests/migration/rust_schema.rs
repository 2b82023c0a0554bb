//! The Rust schema and the database's, column by column.

use std::collections::BTreeSet;

use test_support::TestDatabase;

/// The text that the compiler reads: what stands there is what queries are checked against.
const SCHEMA: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/database/src/schema.rs"
));

/// `table.position column type` for each column, in the words of diesel.
const COLUMNS: &str = "
SELECT format('%s.%s %s %s', relname, attnum, attname,
    CASE WHEN attnotnull THEN type ELSE format('Nullable<%s>', type) END)
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname <> '__diesel_schema_migrations'
JOIN pg_type ON pg_type.oid = atttypid
-- The client sees the base type of a domain.
JOIN LATERAL (
    SELECT CASE format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END, NULL)
        WHEN 'bigint' THEN 'Int8'
        WHEN 'boolean' THEN 'Bool'
        WHEN 'bytea' THEN 'Bytea'
        WHEN 'character varying' THEN 'Varchar'
        WHEN 'integer' THEN 'Int4'
        WHEN 'jsonb' THEN 'Jsonb'
        WHEN 'numeric' THEN 'Numeric'
        WHEN 'smallint' THEN 'Int2'
        WHEN 'text' THEN 'Text'
        WHEN 'text[]' THEN 'Array<Text>'
        WHEN 'date' THEN 'Date'
        WHEN 'timestamp with time zone' THEN 'Timestamptz'
        WHEN 'uuid' THEN 'Uuid'
        ELSE format('unknown here: %s', format_type(atttypid, NULL))
    END AS type
) AS translated ON true
WHERE attnum > 0 AND NOT attisdropped
";

/// `table (key, columns)` for each table.
const KEYS: &str = "
SELECT format('%s (%s)', conrelid::regclass, string_agg(attname, ', ' ORDER BY position))
FROM pg_constraint
JOIN pg_class ON pg_class.oid = conrelid AND NOT relispartition
CROSS JOIN unnest(conkey) WITH ORDINALITY AS part (attnum, position)
JOIN pg_attribute ON attrelid = conrelid AND pg_attribute.attnum = part.attnum
WHERE connamespace = 'public'::regnamespace AND contype = 'p'
    AND conrelid <> '__diesel_schema_migrations'::regclass
GROUP BY conrelid
";

/// The tables of `schema.rs` with the text between their braces.
fn tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    SCHEMA.split("diesel::table! {").skip(1).map(|text| {
        let (head, rest) = text.split_once('{').unwrap();
        (head.trim(), rest.split_once('}').unwrap().0)
    })
}

async fn set(database: &TestDatabase, sql: &str) -> BTreeSet<String> {
    database.rows(sql).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn the_rust_schema_has_the_databases_columns() {
    let database = TestDatabase::migrated().await;

    let mut rust = BTreeSet::new();
    for (head, body) in tables() {
        let (table, _) = head.split_once(' ').unwrap();
        let columns = body.lines().map(str::trim).filter(|line| line.contains(" -> "));
        for (index, line) in columns.enumerate() {
            let (column, kind) = line.trim_end_matches(',').split_once(" -> ").unwrap();
            rust.insert(format!("{table}.{} {column} {kind}", index + 1));
        }
    }

    let database = set(&database, COLUMNS).await;
    let only_rust: Vec<_> = rust.difference(&database).collect();
    let only_database: Vec<_> = database.difference(&rust).collect();
    assert!(rust.len() > 50, "schema.rs was not understood: {rust:?}");
    assert!(
        rust == database,
        "only in schema.rs: {only_rust:#?}\nonly in the database: {only_database:#?}"
    );
}

#[tokio::test]
async fn the_rust_schema_has_the_databases_primary_keys() {
    let database = TestDatabase::migrated().await;

    let rust: BTreeSet<String> = tables().map(|(head, _)| head.to_owned()).collect();

    assert_eq!(rust, set(&database, KEYS).await);
}
