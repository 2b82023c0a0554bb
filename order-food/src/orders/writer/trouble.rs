use std::sync::Arc;

use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

use crate::orders::Cause;

/// A batch was not answered with success.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection ended before the outcome came: the batch may be stored.
    Lost(Cause),
    /// The server refused it and rolled it back.
    Undone(Remedy, Cause),
}

/// What to do about a refused batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Send it again: it ran into another transaction (40001, 40P01).
    Again,
    /// Send it again over a new connection: this one's plans are outdated (0A000, 26000).
    Renew,
    /// One order's data are to blame (classes 21, 22, 23, 54): halve the batch until it stands alone.
    FindGuilty,
    /// One order waits for a lock or takes too long (55P03, 57014): halve the batch until it stands alone, and send that one
    /// again while there is time.
    FindSlow,
    /// No order can be stored over this connection (25006: the server is read-only).
    Leave,
    /// No order can be stored now.
    GiveUp,
}

impl Trouble {
    pub(super) fn of(error: Error) -> Trouble {
        // Without a SQLSTATE it is about the socket; FATAL and PANIC end the session, perhaps right after COMMIT.
        let ended = error.as_db_error().is_none_or(|refusal| {
            matches!(refusal.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
        });
        let remedy = error.code().map(Remedy::of);
        match remedy {
            Some(remedy) if !ended => Trouble::Undone(remedy, Arc::new(error)),
            _ => Trouble::Lost(Arc::new(error)),
        }
    }
}

impl Remedy {
    fn of(code: &SqlState) -> Remedy {
        match code {
            code if [
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
            ]
            .contains(code) =>
            {
                Remedy::Again
            }
            code if [
                SqlState::FEATURE_NOT_SUPPORTED,
                SqlState::INVALID_SQL_STATEMENT_NAME,
            ]
            .contains(code) =>
            {
                Remedy::Renew
            }
            code if [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code) => {
                Remedy::FindSlow
            }
            code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Remedy::Leave,
            code if ["21", "22", "23", "54"]
                .iter()
                .any(|class| code.code().starts_with(class)) =>
            {
                Remedy::FindGuilty
            }
            _ => Remedy::GiveUp,
        }
    }
}
