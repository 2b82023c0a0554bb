//! What a way back would take away, and whether it holds anything.

use std::fmt;

use serde::Serialize;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Transaction};

/// A table or column that taking a migration back drops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The table's name.
    pub table: String,
    /// The column's name; none when the whole table goes.
    pub column: Option<String>,
}

/// `table orders` or `column products.image`
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            None => write!(f, "table {}", self.table),
            Some(column) => write!(f, "column {}.{column}", self.table),
        }
    }
}

/// Several of them in one line.
pub(crate) fn list(losses: &[Loss]) -> String {
    losses.iter().map(Loss::to_string).collect::<Vec<_>>().join(", ")
}

const PRESENT: &str = "
SELECT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND NOT attisdropped AND (attname = $2 OR $2 IS NULL))
";

/// Those that hold rows: a table with a row, a column with a value. The migrator's own records of its runs do not count.
pub(crate) async fn holding(
    client: &(impl GenericClient + Sync),
    losses: &[Loss],
) -> Result<Vec<Loss>, tokio_postgres::Error> {
    let mut holding = Vec::new();
    for loss in losses {
        if !is_present(client, loss).await? {
            continue;
        }
        match holds_rows(client, loss).await {
            Ok(false) => {}
            Ok(true) => holding.push(loss.clone()),
            // A column of a large table that cannot be shown to be empty in time: what comes after it is not asked any more.
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                holding.push(loss.clone());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(holding)
}

/// How long looking for rows may keep everybody else waiting.
const LOOK: &str = "SET LOCAL statement_timeout = '2s'";

/// As `holding`, while nobody else gets at the tables until the end of the transaction, so that no row comes in after the look.
/// What cannot be looked through within 2 s counts as holding rows.
pub(crate) async fn holding_for_good(
    transaction: &Transaction<'_>,
    losses: &[Loss],
) -> Result<Vec<Loss>, tokio_postgres::Error> {
    if losses.is_empty() {
        return Ok(Vec::new());
    }
    lock(transaction, losses).await?;
    transaction.batch_execute(LOOK).await?;
    let holding = holding(transaction, losses).await?;
    if holding.is_empty() {
        transaction
            .batch_execute("SET LOCAL statement_timeout = 0")
            .await?;
    }
    Ok(holding)
}

async fn lock(client: &(impl GenericClient + Sync), losses: &[Loss]) -> Result<(), tokio_postgres::Error> {
    for loss in losses {
        if is_present(client, loss).await? {
            let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", quoted(&loss.table));
            client.batch_execute(&lock).await?;
        }
    }
    Ok(())
}

async fn is_present(
    client: &(impl GenericClient + Sync),
    loss: &Loss,
) -> Result<bool, tokio_postgres::Error> {
    let table = quoted(&loss.table);
    client
        .query_typed_one(PRESENT, &[(&table, Type::TEXT), (&loss.column, Type::TEXT)])
        .await?
        .try_get(0)
}

async fn holds_rows(
    client: &(impl GenericClient + Sync),
    loss: &Loss,
) -> Result<bool, tokio_postgres::Error> {
    let which = match (&loss.column, loss.table.as_str()) {
        (Some(column), _) => format!("WHERE {} IS NOT NULL", quoted(column)),
        (None, "bootstrap_runs") => "WHERE task <> 'database-migration'".to_owned(),
        (None, _) => String::new(),
    };
    let question = format!("SELECT EXISTS (SELECT FROM {} {which})", quoted(&loss.table));
    client.query_typed_one(&question, &[]).await?.try_get(0)
}

/// An SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
