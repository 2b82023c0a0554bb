//! An earlier build on the newest schema: what a roll-back, or a pod of the old replica set, meets.

use test_support::TestDatabase;

use crate::own;
use crate::program::NEWEST;

/// The oldest version whose build may use the newest schema.
async fn oldest(database: &TestDatabase) -> i32 {
    let oldest = "SELECT max(min_compatible_schema) FROM migration_details";
    database.value(oldest).await.parse().unwrap()
}

/// What builds from the version on read and write, so that it has to work for as long as they are
/// compatible.
const USE: [(i32, &str); 12] = [
    (1, "INSERT INTO products (id, name, price, category) VALUES (1, 'Waffle', 9.99, 'Waffle')"),
    (1, "SELECT id, name, price, category, image, available FROM products ORDER BY id"),
    (1, "INSERT INTO users (id, email, name, role) VALUES ('00000000-0000-0000-0000-000000000001', 'a@example.com', 'A', 'customer')"),
    (1, "INSERT INTO promotions (code, kind, value) VALUES ('TEN', 'percentage', 10)"),
    (1, "UPDATE promotion_uses SET uses = uses + 1 WHERE code = 'TEN'"),
    (1, "INSERT INTO coupon_codes (version, code) VALUES (1, 'HAPPYHRS')"),
    (2, "INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total)
         VALUES ('00000000-0000-7000-8000-000000000001', '00000000-0000-0000-0000-000000000001', NULL, 10, 1, 9)"),
    (2, "INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         VALUES ('00000000-0000-7000-8000-000000000001', 1, 1, 'Waffle', 'Waffle', 10, 1)"),
    (2, "SELECT id, created_at, api_key_id, coupon_code, subtotal, discount, total, status FROM orders WHERE api_key_id IS NOT NULL ORDER BY id DESC"),
    (3, "INSERT INTO bootstrap_runs (id, task, profile, build, host, outcome)
         VALUES ('00000000-0000-0000-0000-000000000002', 'database-load', 'default', 'old', 'old', 'running')"),
    (3, "INSERT INTO dataset_versions (profile, datasets, fingerprint, content_sha256, hash_key_id, format, run_id)
         VALUES ('default', '{products}', sha256('f'), sha256('c'), 'k', 1, '00000000-0000-0000-0000-000000000002')"),
    (3, "UPDATE dataset_versions SET state = 'active', activated_at = now() WHERE profile = 'default'"),
];

#[tokio::test]
async fn every_earlier_build_that_is_allowed_starts_on_the_newest_schema_and_reads_and_writes() {
    let template = TestDatabase::migrated().await;
    for version in oldest(&template).await..NEWEST {
        let database = TestDatabase::migrated().await;
        let mut earlier = own::migrator(&database, &[]);
        earlier.migrations = own::earlier(version);

        let done = earlier.up(None).await.unwrap();

        assert_eq!((done.before, done.after), (NEWEST, NEWEST), "build {version}");
        assert_eq!(earlier.wait(None).await.unwrap(), NEWEST);
        for (since, statement) in USE {
            if since <= version {
                database.execute(statement).await;
            }
        }
    }
}

/// Whatever is not in the list above: every column that a build knows is still there, holds what it
/// held, and no column has come to tables it writes that it would have to fill.
#[tokio::test]
async fn the_newest_schema_keeps_every_column_of_every_build_that_it_allows() {
    const COLUMNS: &str = "
        SELECT relname, attname, format_type(atttypid, atttypmod) FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        WHERE attnum > 0 AND NOT attisdropped";
    const DEMANDED: &str = "
        SELECT relname, attname FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        WHERE attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''";
    let newest = TestDatabase::migrated().await;
    let (columns, demanded) = (newest.rows(COLUMNS).await, newest.rows(DEMANDED).await);
    for version in oldest(&newest).await..NEWEST {
        let database = TestDatabase::empty().await;
        own::migrator(&database, &[]).up(Some(version)).await.unwrap();

        let known = database.rows(COLUMNS).await;

        for column in &known {
            assert!(columns.contains(column), "build {version} knows {column:?}");
        }
        for column in &demanded {
            let is_table = |other: &Vec<String>| other[0] == column[0];
            let is_column = |other: &Vec<String>| other[..2] == column[..];
            assert!(
                !known.iter().any(is_table) || known.iter().any(is_column),
                "build {version} does not know that it has to fill {column:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_earlier_build_can_still_be_told_no() {
    let database = TestDatabase::migrated().await;
    let breaking = own::migration(
        own::NEXT,
        "yes",
        "ALTER TABLE orders DROP COLUMN coupon_code;",
        "ALTER TABLE orders ADD COLUMN coupon_code text;",
    );
    let mut newer = own::migrator(&database, &[breaking]);
    newer
        .migrations
        .last_mut()
        .unwrap()
        .metadata
        .min_compatible_schema = own::NEXT;
    newer.up(None).await.unwrap();

    let error = own::migrator(&database, &[]).up(None).await.unwrap_err();

    assert_eq!(error.exit_code(), process::failure::ExitCode::Incompatible);
    let said = format!(
        "the database is at version {0} and needs a build of version {0} or later; this build has {NEWEST}",
        own::NEXT
    );
    assert_eq!(error.to_string(), said);
}
