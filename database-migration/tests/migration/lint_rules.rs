//! What the linter says of this project's migrations, and that each of its rules catches what it is
//! for and nothing else.

use database_migration::{Migration, embedded};

use test_support::TestDatabase;

use crate::lint::{FORWARD, lint};
use crate::own;

#[test]
fn this_projects_migrations_pass() {
    let findings = lint(embedded().unwrap());

    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// A migration after the first release.
fn with(transaction: &str, up: &str, down: &str) -> Vec<Migration> {
    vec![own::migration(5, transaction, up, down)]
}

const LIMITED: &str = "SET LOCAL lock_timeout = '2s';";

/// Findings in a migration with a transaction.
fn up(sql: &str) -> Vec<String> {
    lint(&with("yes", &format!("{LIMITED}\n{sql}"), LIMITED))
}

/// Findings in a migration without one.
fn alone(sql: &str) -> Vec<String> {
    let down = "SET lock_timeout = '2s';";
    lint(&with("none", &format!("{down}\n{sql}"), down))
}

/// A rule, what it catches, what it lets pass.
type Case<'a> = (&'a str, &'a str, &'a str);

/// In a migration with a transaction.
const IN_A_TRANSACTION: &[Case] = &[
    (
        "require-concurrent-index-creation",
        "CREATE INDEX orders_total_idx ON orders (total);",
        "CREATE TABLE t (id bigint); CREATE INDEX t_id_idx ON t (id);",
    ),
    (
        "ban-concurrent-index-creation-in-transaction",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_total_idx ON orders (total);",
        "CREATE TABLE t (id bigint); CREATE INDEX t_id_idx ON t (id);",
    ),
    (
        "adding-foreign-key-constraint",
        "ALTER TABLE orders ADD CONSTRAINT orders_key_fkey FOREIGN KEY (api_key_id) REFERENCES api_keys (id);",
        "ALTER TABLE api_keys VALIDATE CONSTRAINT api_keys_user_id_fkey;",
    ),
    (
        "constraint-missing-not-valid",
        "ALTER TABLE orders ADD CONSTRAINT orders_total_small CHECK (total < 9);",
        "CREATE TABLE t (id bigint); ALTER TABLE t ADD CONSTRAINT t_id_small CHECK (id < 9);",
    ),
    (
        "disallowed-unique-constraint",
        "ALTER TABLE orders ADD CONSTRAINT orders_total_unique UNIQUE (total);",
        "ALTER TABLE orders ADD CONSTRAINT orders_total_unique UNIQUE USING INDEX orders_total_idx;",
    ),
    (
        "adding-serial-primary-key-field",
        "ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);",
        "CREATE TABLE t (id bigint, CONSTRAINT t_pkey PRIMARY KEY (id));",
    ),
    (
        "adding-not-nullable-field",
        "ALTER TABLE orders ALTER COLUMN coupon_code SET NOT NULL;",
        "ALTER TABLE orders ADD COLUMN note text;",
    ),
    (
        "adding-required-field",
        "ALTER TABLE orders ADD COLUMN note text NOT NULL;",
        "ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT '';",
    ),
    (
        "adding-field-with-default",
        "ALTER TABLE orders ADD COLUMN twice bigint GENERATED ALWAYS AS (total * 2) STORED;",
        "CREATE TABLE t (id bigint, twice bigint GENERATED ALWAYS AS (id * 2) STORED);",
    ),
    (
        "adding-field-with-default",
        "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
        "ALTER TABLE orders ADD COLUMN rank bigint DEFAULT 0;",
    ),
    (
        "changing-column-type",
        "ALTER TABLE orders ALTER COLUMN total TYPE numeric(20, 4);",
        "ALTER TABLE orders ALTER COLUMN total SET DEFAULT 0;",
    ),
    (
        "renaming-column",
        "ALTER TABLE orders RENAME COLUMN total TO sum;",
        "ALTER TABLE orders ADD COLUMN sum bigint;",
    ),
    (
        "renaming-table",
        "ALTER TABLE orders RENAME TO sales;",
        "CREATE TABLE sales (id bigint);",
    ),
    (
        "ban-drop-column",
        "ALTER TABLE orders DROP COLUMN total;",
        "-- Nothing has read it since the last release.\n-- squawk-ignore ban-drop-column\nALTER TABLE orders DROP COLUMN total;",
    ),
    (
        "ban-drop-table",
        "DROP TABLE orders;",
        "-- squawk-ignore ban-drop-table\nDROP TABLE orders;",
    ),
    (
        "ban-drop-not-null",
        "ALTER TABLE orders ALTER COLUMN total DROP NOT NULL;",
        "ALTER TABLE orders ALTER COLUMN total DROP DEFAULT;",
    ),
    (
        "ban-truncate-cascade",
        "TRUNCATE products CASCADE;",
        "TRUNCATE products;",
    ),
    ("transaction-nesting", "BEGIN;", "SELECT 1;"),
    (
        "prefer-timestamp-tz",
        "CREATE TABLE t (at timestamp);",
        "CREATE TABLE t (at timestamptz);",
    ),
    (
        "prefer-text-field",
        "CREATE TABLE t (name varchar(10));",
        "CREATE TABLE t (name text);",
    ),
    (
        "ban-char-field",
        "CREATE TABLE t (name char(10));",
        "CREATE TABLE t (name text);",
    ),
    (
        "prefer-identity",
        "CREATE TABLE t (id bigserial);",
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY);",
    ),
    (
        "identifier-too-long",
        "CREATE TABLE a23456789_123456789_123456789_123456789_123456789_123456789_1234 (id bigint);",
        "CREATE TABLE a23456789_123456789_123456789_123456789_123456789_123456789_123 (id bigint);",
    ),
    (
        "names",
        "ALTER TABLE orders ADD CHECK (total < 9) NOT VALID;",
        "ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT '';",
    ),
    (
        "names",
        "CREATE TABLE t (id bigint REFERENCES products (id));",
        "CREATE TABLE t (id bigint CONSTRAINT t_id_fkey REFERENCES products (id));",
    ),
    (
        "names",
        "CREATE TABLE t (id bigint, CONSTRAINT id_positive CHECK (id > 0));",
        "CREATE TABLE t (id bigint, CONSTRAINT t_id_positive CHECK (id > 0));",
    ),
    (
        "names",
        "CREATE TABLE t (id bigint); CREATE INDEX ON t (id);",
        "CREATE TABLE t (id bigint); CREATE INDEX t_id_idx ON t (id);",
    ),
    (
        "table-rewrite",
        "ALTER TABLE orders SET UNLOGGED;",
        "ALTER TABLE orders SET (fillfactor = 90);",
    ),
    (
        "unlogged",
        "CREATE UNLOGGED TABLE t (id bigint);",
        "CREATE TABLE t (id bigint);",
    ),
    (
        "syntax",
        "CREATE TABEL t (id bigint);",
        "CREATE TABLE t (id bigint);",
    ),
];

/// In a migration without a transaction.
const ALONE: &[Case] = &[
    (
        "require-concurrent-index-deletion",
        "DROP INDEX IF EXISTS orders_total_idx;",
        "DROP INDEX CONCURRENTLY IF EXISTS orders_total_idx;",
    ),
    (
        "require-concurrent-reindex",
        "REINDEX INDEX orders_pkey;",
        "REINDEX INDEX CONCURRENTLY orders_pkey;",
    ),
    (
        "prefer-robust-stmts",
        "CREATE INDEX CONCURRENTLY orders_total_idx ON orders (total);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_total_idx ON orders (total);",
    ),
    ("table-rewrite", "VACUUM FULL orders;", "VACUUM orders;"),
    (
        "table-rewrite",
        "VACUUM (FULL) orders;",
        "VACUUM (ANALYZE) orders;",
    ),
    (
        "table-rewrite",
        "CLUSTER orders USING orders_pkey;",
        "ANALYZE orders;",
    ),
    (
        "require-concurrent-index-creation",
        "CREATE INDEX IF NOT EXISTS orders_total_idx ON orders (total);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_total_idx ON orders (total);",
    ),
];

#[test]
fn each_rule_catches_what_it_is_for_and_nothing_else() {
    let mut wrong = Vec::new();
    let in_a_transaction = IN_A_TRANSACTION
        .iter()
        .map(|(rule, bad, good)| (rule, bad, good, up(bad), up(good)));
    let without = ALONE
        .iter()
        .map(|(rule, bad, good)| (rule, bad, good, alone(bad), alone(good)));
    for (rule, bad, good, caught, passed) in in_a_transaction.chain(without) {
        // Below the first line and the limit.
        let place = format!("0005_own/up.sql line 3: {rule}: ");
        if !caught.iter().any(|it| it.starts_with(&place)) {
            wrong.push(format!("{rule} does not catch {bad}: {caught:?}"));
        }
        if !passed.is_empty() {
            wrong.push(format!("{rule} does not pass {good}: {passed:?}"));
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_rule_is_without_a_case() {
    let tried = |rule: &str| IN_A_TRANSACTION.iter().chain(ALONE).any(|(it, ..)| *it == rule);

    for rule in FORWARD {
        assert!(tried(&rule.to_string()), "{rule}");
    }
}

#[test]
fn a_file_begins_with_a_limit_on_waiting_for_locks_of_2_seconds_at_most() {
    let find = |transaction: &str, first: &str| -> Vec<String> {
        let limited = if transaction == "yes" {
            LIMITED
        } else {
            "SET lock_timeout = 500;"
        };
        let all = lint(&with(transaction, &format!("{first}\nSELECT 1;"), limited));
        all.into_iter()
            .filter(|it| it.contains(": lock-timeout: "))
            .collect()
    };
    for (transaction, good) in [
        ("yes", "SET LOCAL lock_timeout = '2s';"),
        ("yes", "SET LOCAL lock_timeout TO 1500;"),
        ("yes", "-- Why.\nset local lock_timeout='100ms';"),
        ("none", "SET lock_timeout = '2s';"),
        ("none", "SET SESSION lock_timeout = '1s';"),
    ] {
        assert_eq!(find(transaction, good), [""; 0], "{good}");
    }
    let alone = "-- Why.\nDROP INDEX CONCURRENTLY IF EXISTS orders_total_idx;";
    assert_eq!(lint(&with("none", alone, alone)), [""; 0]);
    for (transaction, bad) in [
        ("yes", ""),
        ("yes", "SELECT 1; SET LOCAL lock_timeout = '2s';"),
        ("none", "DROP INDEX IF EXISTS orders_total_idx;"),
        ("none", alone),
        ("yes", "SET LOCAL lock_timeout = '3s';"),
        ("yes", "SET LOCAL lock_timeout = 0;"),
        ("yes", "SET LOCAL lock_timeout = DEFAULT;"),
        (
            "yes",
            "SET LOCAL lock_timeout = '2s'; SET LOCAL lock_timeout = '1min';",
        ),
        ("yes", "SET lock_timeout = '2s';"),
        ("none", "SET LOCAL lock_timeout = '2s';"),
    ] {
        assert_eq!(find(transaction, bad).len(), 1, "{bad}");
    }
}

#[test]
fn a_way_back_is_linted_too_and_may_take_away() {
    let down = |sql: &str| lint(&with("yes", LIMITED, &format!("{LIMITED}\n{sql}")));

    assert_eq!(
        down("DROP INDEX a; DROP TABLE orders; ALTER TABLE users DROP COLUMN name;"),
        [""; 0]
    );
    let bad = down("CREATE INDEX orders_total_idx ON orders (total);");
    assert!(
        bad[0].starts_with("0005_own/down.sql line 3: require-concurrent-index-creation: "),
        "{bad:?}"
    );
    assert_eq!(
        lint(&with("yes", LIMITED, "-- Nothing.")),
        ["0005_own/down.sql: lock-timeout: it does nothing"]
    );
}

#[test]
fn a_constraint_that_is_not_valid_is_validated_by_a_later_migration() {
    let add =
        format!("{LIMITED}\nALTER TABLE orders ADD CONSTRAINT orders_small CHECK (total < 9) NOT VALID;");
    let validate = "ALTER TABLE orders VALIDATE CONSTRAINT orders_small;";
    let added = with("yes", &add, LIMITED);
    let mut validated = added.clone();
    validated.push(own::migration(
        6,
        "yes",
        &format!("{LIMITED}\n{validate}"),
        LIMITED,
    ));
    let at_once = with("yes", &format!("{add}\n{validate}"), LIMITED);

    let missing = "0005_own/up.sql: never-validated: no migration validates the constraint orders_small";
    assert_eq!(lint(&added), [missing]);
    assert_eq!(lint(&validated), [""; 0]);
    let rule = "0005_own/up.sql line 4: constraint-missing-not-valid: ";
    assert!(
        lint(&at_once).iter().any(|it| it.starts_with(rule)),
        "{:?}",
        lint(&at_once)
    );
}

#[tokio::test]
async fn the_runner_sets_the_limit_whatever_the_file_says() {
    for transaction in ["yes", "none"] {
        let database = TestDatabase::empty().await;
        let up = "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock_timeout;";
        let migration = own::migration(1, transaction, up, "DROP TABLE seen;");

        own::migrator(&database, &[migration]).up(None).await.unwrap();

        assert_eq!(
            database.value("SELECT lock_timeout FROM seen").await,
            "2s",
            "{transaction}"
        );
    }
}
