//! Migrations without a transaction: `CREATE INDEX CONCURRENTLY` above all, which may be
//! interrupted anywhere.

use std::time::Duration;

use process::failure;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tracing::{debug, info, warn};

use crate::session::{LOCK_TIMEOUT, Session, set_lock_timeout};

/// How long tidying up after a failure may take: the next run would do it, too.
const TIDYING: Duration = Duration::from_secs(5);

const WORD: &str = "CONCURRENTLY";

/// The statements of a file; each ends with a semicolon at the end of a line, outside of `$$`.
pub(crate) fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let is_outside = |at: &usize| {
            rest.get(..*at)
                .is_some_and(|it| it.matches("$$").count() % 2 == 0)
        };
        let mut ends = rest.match_indices(";\n").map(|(at, _)| at);
        let end = ends.find(is_outside).map_or(rest.len(), |at| at + 1);
        let (statement, after) = rest.split_at(end);
        rest = after.strip_prefix('\n').unwrap_or(after);
        (!statement.is_empty()).then_some(statement)
    })
    .filter(|statement| statement.trim_end().ends_with(';'))
}

/// The statement as it can be run in a transaction, on tables of a scratch schema.
pub(crate) fn without_concurrency(statement: &str) -> String {
    statement.replace(WORD, "")
}

/// Runs a file statement by statement, after dropping the invalid indexes of an interrupted run.
///
/// Work done `CONCURRENTLY` waits for locks, and for the transactions of others, as long as
/// `lock_wait`: no session queues up behind it. Other statements give up as early as those in a
/// transaction.
pub(crate) async fn run(
    session: &Session,
    sql: &str,
    lock_wait: Duration,
) -> Result<(), tokio_postgres::Error> {
    let client = &session.client;
    drop_invalid_indexes(session, sql, lock_wait).await?;
    for statement in statements(sql) {
        let is_concurrent = statement.contains(WORD);
        let limit = if is_concurrent {
            set_lock_timeout(lock_wait)
        } else {
            format!("SET lock_timeout = '{LOCK_TIMEOUT}'")
        };
        client.batch_execute(&limit).await?;
        match client.batch_execute(statement).await {
            Err(error) if is_concurrent && is_done_already(&error) => {
                info!("already done by an interrupted run: {}", failure::line(&error));
            }
            result => result?,
        }
    }
    Ok(())
}

/// A run that was killed between the statement and its row in the ledger has done it. Only valid
/// indexes are left by then.
fn is_done_already(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| [SqlState::DUPLICATE_TABLE, SqlState::UNDEFINED_OBJECT].contains(code))
}

/// After a failure: an index that is not valid may still refuse rows, and costs every write.
pub(crate) async fn tidy(session: &Session, sql: &str) {
    let tidying = drop_invalid_indexes(session, sql, Duration::from_secs(2));
    match tokio::time::timeout(TIDYING, tidying).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(
            error = failure::line(&error),
            "a half-built index is left to the next run"
        ),
        Err(_) => debug!("a half-built index is left to the next run"),
    }
}

async fn drop_invalid_indexes(
    session: &Session,
    sql: &str,
    lock_wait: Duration,
) -> Result<(), tokio_postgres::Error> {
    let client = &session.client;
    client.batch_execute(&set_lock_timeout(lock_wait)).await?;
    for index in invalid_indexes(session, sql).await? {
        warn!("dropping the index {index}, which an interrupted run has left half built");
        let statement = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
        client.batch_execute(&statement).await?;
    }
    Ok(())
}

const INVALID_INDEXES: &str = "
SELECT format('%I.%I', namespace.nspname, class.relname)
FROM pg_index AS index
JOIN pg_class AS class ON class.oid = index.indexrelid AND class.relkind = 'i'
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE NOT index.indisvalid
    AND namespace.nspname = current_schema()
    AND $1 ~ ('\\y' || class.relname || '\\y')
";

/// The invalid indexes of names that the file mentions: an interrupted `CREATE INDEX CONCURRENTLY`.
async fn invalid_indexes(session: &Session, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = session
        .client
        .query_typed(INVALID_INDEXES, &[(&sql, Type::TEXT)])
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_with_a_semicolon_at_the_end_of_a_line() {
        let sql = "-- Why; and how.\nCREATE INDEX CONCURRENTLY a ON t (x);\nCOMMENT ON INDEX a IS 'x; y';\n-- The end.\n";

        let found: Vec<&str> = statements(sql).collect();

        assert_eq!(
            found,
            [
                "-- Why; and how.\nCREATE INDEX CONCURRENTLY a ON t (x);",
                "COMMENT ON INDEX a IS 'x; y';"
            ]
        );
        assert_eq!(statements("SELECT 1;").collect::<Vec<_>>(), ["SELECT 1;"]);
        let block = "DO $$\nBEGIN\n    PERFORM 1;\nEND\n$$;";
        let blocks = format!("{block}\n{block}\nSELECT 1;\n");
        assert_eq!(
            statements(&blocks).collect::<Vec<_>>(),
            [block, block, "SELECT 1;"]
        );
        assert_eq!(statements("").count(), 0);
    }
}
