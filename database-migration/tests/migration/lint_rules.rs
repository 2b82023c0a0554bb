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

/// A line for each: whether the migration has a transaction (`yes` or `none`), a rule, what it
/// catches, what it lets pass.
const CASES: &str = include_str!("lint_cases.jsonl");

fn cases() -> impl Iterator<Item = [String; 4]> {
    CASES.lines().map(|case| serde_json::from_str(case).unwrap())
}

#[test]
fn each_rule_catches_what_it_is_for_and_nothing_else() {
    let mut wrong = Vec::new();
    for [transaction, rule, bad, good] in cases() {
        let found = |sql: &str| match transaction.as_str() {
            "yes" => up(sql),
            _ => alone(sql),
        };
        let (caught, passed) = (found(&bad), found(&good));
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
    for rule in FORWARD {
        assert!(cases().any(|[_, tried, ..]| tried == rule.to_string()), "{rule}");
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
