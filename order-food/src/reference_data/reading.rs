//! Reads tables one by one, each under a savepoint: one that cannot be read stays as it was.

use std::time::Instant;

use database::pool::is_lost;
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::Unusable;
use super::table::{SkippedRows, TableStates, Unread};

/// The reading of a state `S`, in the caller's transaction.
pub(super) struct Reading<'a, S> {
    pub(super) connection: &'a mut AsyncPgConnection,
    /// The state before, and what was known of its tables.
    before: Option<(&'a S, &'a TableStates)>,
    began: Instant,
    pub(super) tables: TableStates,
}

/// The end of a reading without a state.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadingError {
    #[error(transparent)]
    Lost(#[from] diesel::result::Error),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl<'a, S> Reading<'a, S> {
    /// A reading that began at `began`.
    pub(super) fn new(
        connection: &'a mut AsyncPgConnection,
        before: Option<(&'a S, &'a TableStates)>,
        began: Instant,
    ) -> Reading<'a, S> {
        Reading {
            connection,
            before,
            began,
            tables: TableStates::default(),
        }
    }

    /// What `read` makes of a table, or where it fails what is `kept` of the state before.
    ///
    /// # Errors
    /// When the connection is lost, or there is no state before.
    pub(super) async fn table<T: Into<K>, K>(
        &mut self,
        table: &'static str,
        read: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
        kept: impl FnOnce(&S) -> K,
    ) -> Result<K, ReadingError> {
        let error = match self.attempt(read).await? {
            Ok(value) => return Ok(value.into()),
            Err(error) => error,
        };
        let Some((before, known)) = self.before else {
            return Err(Unusable::Table(table, error).into());
        };
        let unread = Unread {
            since: known.unread_since(table).unwrap_or(self.began),
            error: process::failure::line(&error),
        };
        self.tables.unread.insert(table, unread);
        Ok(kept(before))
    }

    /// The same for a table whose rows are interpreted one by one.
    ///
    /// # Errors
    /// As [`Reading::table`].
    pub(super) async fn rows<T: Into<K>, K>(
        &mut self,
        table: &'static str,
        read: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<(T, SkippedRows)>,
        kept: impl FnOnce(&S) -> K,
    ) -> Result<K, ReadingError> {
        let known = self.before.and_then(|(_, known)| known.skipped.get(table));
        let known = known.cloned().unwrap_or_default();
        let read = async |connection: &mut AsyncPgConnection| {
            let (value, skipped) = read(connection).await?;
            Ok(Interpreted(value.into(), skipped))
        };
        let Interpreted(value, skipped) = self
            .table(table, read, |before| Interpreted(kept(before), known))
            .await?;
        self.tables.skipped.insert(table, skipped);
        Ok(value)
    }

    /// Reads under a savepoint: a failure ends neither the transaction nor the reading of others.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn attempt<T>(
        &mut self,
        read: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> QueryResult<QueryResult<T>> {
        self.connection.batch_execute("SAVEPOINT one_table").await?;
        let outcome = read(self.connection).await;
        let end = match &outcome {
            Ok(_) => "RELEASE one_table",
            Err(error) if is_lost(error) => return outcome.map(Ok),
            Err(_) => "ROLLBACK TO one_table; RELEASE one_table",
        };
        self.connection.batch_execute(end).await?;
        Ok(outcome)
    }
}

/// What was made of the rows of a table, without those that are left out.
struct Interpreted<K>(K, SkippedRows);
