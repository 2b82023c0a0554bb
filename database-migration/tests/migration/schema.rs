//! What the migrations make: reversible, named and commented.

use database_migration::{Back, Migrator};
use test_support::TestDatabase;

/// Everything about the schema that a migration can change, one line each.
const DUMP: &str = "
SELECT format('table %s persistence %s options %s: %s',
    relname, relpersistence, reloptions, obj_description(oid, 'pg_class'))
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
UNION ALL
SELECT format('column %s.%s %s %s not null %s identity %L default %s: %s', relname,
    -- Its place among those that are there: a dropped column keeps its number.
    row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attname,
    format_type(atttypid, atttypmod), attnotnull, attidentity,
    pg_get_expr(adbin, adrelid), col_description(attrelid, attnum))
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped
UNION ALL
SELECT format('constraint %s on %s %s %s', conname, conrelid::regclass, contypid::regtype, pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT format('index %s valid %s', pg_get_indexdef(indexrelid), indisvalid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT format('sequence %s', relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
UNION ALL
SELECT format('function %s', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT format('type %s %s', typname, format_type(typbasetype, typtypmod)) FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
UNION ALL
SELECT format('trigger %s on %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1
";

async fn dump(database: &TestDatabase) -> Vec<Vec<String>> {
    database.rows(DUMP).await
}

#[tokio::test]
async fn every_migration_can_be_taken_back_and_applied_again() {
    let database = TestDatabase::empty().await;
    let mut migrator = Migrator::new(database.database()).unwrap();
    migrator.allow_destructive = true;
    migrator.up(Some(1)).await.unwrap();
    migrator.down(Back::To(0)).await.unwrap();
    let mut before = dump(&database).await;

    for version in 1..=migrator.newest() {
        migrator.up(Some(version)).await.unwrap();
        let after = dump(&database).await;
        assert_ne!(before, after, "version {version} changes nothing");

        migrator.down(Back::Steps(1)).await.unwrap();
        assert_eq!(
            dump(&database).await,
            before,
            "version {version} down leaves something behind"
        );

        migrator.up(Some(version)).await.unwrap();
        assert_eq!(
            dump(&database).await,
            after,
            "version {version} differs the second time"
        );
        before = after;
    }
}

#[tokio::test]
async fn everything_can_be_taken_back_at_once() {
    let database = TestDatabase::migrated().await;

    let mut migrator = Migrator::new(database.database()).unwrap();
    migrator.allow_destructive = true;
    migrator.down(Back::To(0)).await.unwrap();

    let left = database
        .rows("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
        .await;
    let ledger = [
        "__diesel_schema_migrations",
        "migration_details",
        "schema_migrations",
    ];
    let ledger = ledger
        .map(|table| [table.to_owned(), format!("{table}_pkey")])
        .concat();
    assert_eq!(left.concat(), ledger);
    let count = "SELECT count(*) FROM __diesel_schema_migrations";
    assert_eq!(database.value(count).await, "0");
}

#[tokio::test]
async fn every_table_and_every_column_has_a_comment() {
    /// Columns whose name says it all.
    const PLAIN: &str = "('name')";
    let database = TestDatabase::migrated().await;

    let silent = database
        .rows(&format!(
            "SELECT relname, attname FROM pg_attribute
             JOIN pg_class ON pg_class.oid = attrelid
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                 -- diesel's own table, and the one that is kept for earlier builds.
                 AND relname NOT IN ('__diesel_schema_migrations', 'schema_migrations')
                 AND (attnum > 0 AND NOT attisdropped AND attname NOT IN {PLAIN}
                         AND col_description(attrelid, attnum) IS NULL
                     OR obj_description(attrelid, 'pg_class') IS NULL)"
        ))
        .await;

    assert_eq!(silent, [[""; 0]; 0]);
}

#[tokio::test]
async fn constraints_and_indexes_are_named_after_their_table_or_domain() {
    let database = TestDatabase::migrated().await;

    // PostgreSQL 18 names not-null constraints by itself (contype n).
    let misnamed = database
        .rows(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint
             -- Of partitions they are their table's, by its name.
             WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid <> 0 AND coninhcount = 0
                 AND NOT CASE contype
                     WHEN 'p' THEN conname = conrelid::regclass || '_pkey'
                     WHEN 'f' THEN conname LIKE conrelid::regclass || '\\_%\\_fkey'
                     -- Named by a person: PostgreSQL's own names end in _check, _check1 or _key.
                     ELSE conname LIKE conrelid::regclass || '\\_%' AND conname !~ '_(check|key)[0-9]*$'
                 END
             UNION ALL
             SELECT contypid::regtype::text, conname FROM pg_constraint
             WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND contypid <> 0
                 AND (conname NOT LIKE contypid::regtype || '\\_%' OR conname ~ '_(check|key)[0-9]*$')
             UNION ALL
             SELECT indrelid::regclass::text, relname FROM pg_index JOIN pg_class ON oid = indexrelid
             WHERE relnamespace = 'public'::regnamespace
                 AND (relname NOT LIKE indrelid::regclass || '\\_%' OR relname ~ '_(idx|key)[0-9]+$')",
        )
        .await;

    assert_eq!(misnamed, [[""; 0]; 0]);
}

#[tokio::test]
async fn no_table_is_unlogged() {
    let database = TestDatabase::migrated().await;

    let unlogged =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relpersistence <> 'p'";
    assert_eq!(database.value(unlogged).await, "0");
}

#[tokio::test]
async fn indexed_codes_and_keys_are_compared_by_their_bytes() {
    let database = TestDatabase::migrated().await;

    let indexed = "SELECT DISTINCT indrelid::regclass::text, attname::text, attcollation::regcollation::text
        FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE attname IN ('code', 'key') ORDER BY 1";
    assert_eq!(
        database.rows(indexed).await,
        [
            ["coupon_codes", "code", "\"C\""],
            ["dataset_rows", "key", "\"C\""],
            ["idempotency_keys", "key", "\"C\""],
            ["promotion_uses", "code", "\"C\""],
            ["promotions", "code", "\"C\""],
            ["sales_daily", "key", "\"C\""],
        ]
    );
}
