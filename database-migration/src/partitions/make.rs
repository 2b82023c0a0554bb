//! Makes partitions: as tables of their own that are attached, so that orders are stored meanwhile.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::types::Type;
use tokio_postgres::{Error as PgError, Transaction};

use super::plan::{first_id, missing, missing_oldest, stamp};
use super::{Partition, Settings, TABLES, now, read};
use crate::attempts::{Attempt, AttemptError};
use crate::migrator::Migrator;
use crate::roles::owner;
use crate::session::{LOCK_TIMEOUT, Session};

/// Makes what is missing of both tables, all or nothing; returns a line for each.
pub(crate) struct Make<'a> {
    pub(crate) migrator: &'a Migrator,
    pub(crate) settings: &'a Settings,
}

impl Attempt for Make<'_> {
    type Done = Vec<String>;

    fn name(&self) -> String {
        "partitions".into()
    }

    fn is_transaction(&self) -> bool {
        true
    }

    async fn attempt(&self, session: &mut Session, _left: Duration) -> Result<Self::Done, AttemptError> {
        let mut committing = false;
        let made = self.make(session, &mut committing).await;
        made.map_err(|source| AttemptError::failed(self.name(), committing, source))
    }
}

impl Make<'_> {
    async fn make(&self, session: &mut Session, committing: &mut bool) -> Result<Vec<String>, PgError> {
        let transaction = session.client.transaction().await?;
        let limit = format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'");
        transaction.batch_execute(&limit).await?;
        let (found, now) = (read(&transaction).await?, now(&transaction).await?);
        let Settings { ahead, interval, .. } = *self.settings;
        let mut made = Vec::new();
        for (table, _) in TABLES {
            let of_table: Vec<&Partition> = found.iter().filter(|it| it.table == table).collect();
            if let Some(to) = missing_oldest(&of_table) {
                made.push(attach(&transaction, table, None, to).await?);
            }
            for (from, to) in missing(&of_table, now, ahead, interval) {
                made.push(attach(&transaction, table, Some(from), to).await?);
            }
        }
        if !made.is_empty() {
            owner::bring_rights_in_line(&transaction, &self.migrator.roles).await?;
        }
        *committing = true;
        transaction.commit().await?;
        Ok(made)
    }
}

/// `CREATE TABLE … PARTITION OF` would lock the whole table against orders; `ATTACH` does not, and
/// reads the new table, which is empty.
async fn attach(
    transaction: &Transaction<'_>,
    table: &str,
    from: Option<DateTime<Utc>>,
    to: DateTime<Utc>,
) -> Result<String, PgError> {
    let (stem, lower) = match from {
        None => (format!("{table}_before_{}", stamp(to)), "MINVALUE".to_owned()),
        Some(from) => (
            format!("{table}_from_{}", stamp(from)),
            format!("'{}'", first_id(from)),
        ),
    };
    let name = unused(transaction, stem).await?;
    let part = escape_identifier(&name);
    let upper = first_id(to);
    transaction
        .batch_execute(&format!(
            "CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE);
             COMMENT ON TABLE {part} IS 'A partition of {table}.';
             ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({lower}) TO ('{upper}')"
        ))
        .await?;
    let from = from.map_or_else(
        || "the beginning".to_owned(),
        |from| from.date_naive().to_string(),
    );
    Ok(format!("made {name}: {from} to {}", to.date_naive()))
}

/// The name, or with a number: a detached partition keeps its name until it is dropped.
async fn unused(transaction: &Transaction<'_>, stem: String) -> Result<String, PgError> {
    let question = "SELECT to_regclass(quote_ident($1)) IS NULL";
    let mut name = stem.clone();
    for number in 2.. {
        let row = transaction
            .query_typed_one(question, &[(&name, Type::TEXT)])
            .await?;
        if row.try_get(0)? {
            break;
        }
        name = format!("{stem}_{number}");
    }
    Ok(name)
}
