//! Classification of what went wrong with a batch: stored or not, and what to do about it.

use std::sync::Arc;

use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

use crate::orders::Cause;

/// A batch was not answered with success.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The connection ended before the outcome came: the batch may be stored.
    Lost(Cause),
    /// It is stored here, and a standby that takes over may not have it. Sent again, it would be
    /// found and nothing would be waited for.
    Unconfirmed(Cause),
    /// The server refused it and rolled it back.
    RolledBack(Recovery, Cause),
}

/// What to do about a refused batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// Send it again: it ran into another transaction (40001, 40P01).
    Repeat,
    /// Send it again over a new connection: this one's plans are outdated (0A000, 26000).
    Reconnect,
    /// One order's data are to blame (classes 21, 22, 23, 54): halve the batch until it stands
    /// alone.
    Bisect,
    /// One order waits for a lock or takes too long (55P03, 57014): halve the batch until it stands
    /// alone, and send that one again while there is time.
    BisectSlow,
    /// No order can be stored over this connection (25006: the server is read-only).
    FailAndReconnect,
    /// No order can be stored now.
    Fail,
}

/// The classes of [`Recovery::Bisect`].
const BISECTED: [&str; 4] = ["21", "22", "23", "54"];

/// No partition takes the orders' ids: nobody made one for the time, or a clock is wrong.
#[derive(Debug, thiserror::Error)]
#[error(
    "no partition takes orders with ids of this time: run database-migration partitions, and compare the clocks"
)]
struct NoPartition(#[source] Error);

impl WriteError {
    pub(super) fn of(error: Error) -> WriteError {
        if is_without_partition(&error) {
            return WriteError::RolledBack(Recovery::Fail, Arc::new(NoPartition(error)));
        }
        // Without a SQLSTATE it is about the socket; FATAL and PANIC end the session, perhaps right
        // after COMMIT.
        let ended = error.as_db_error().is_none_or(|refusal| {
            matches!(refusal.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
        });
        let recovery = error.code().map(Recovery::of);
        match recovery {
            Some(recovery) if !ended => WriteError::RolledBack(recovery, Arc::new(error)),
            _ => WriteError::Lost(Arc::new(error)),
        }
    }
}

/// 23514 without the name of a constraint: a CHECK that an order breaks has one.
fn is_without_partition(error: &Error) -> bool {
    error.as_db_error().is_some_and(|refusal| {
        *refusal.code() == SqlState::CHECK_VIOLATION
            && refusal.constraint().is_none()
            && refusal.table().is_some()
    })
}

impl Recovery {
    fn of(code: &SqlState) -> Recovery {
        match code.code() {
            "40001" | "40P01" => Recovery::Repeat,
            "0A000" | "26000" => Recovery::Reconnect,
            "55P03" | "57014" => Recovery::BisectSlow,
            "25006" => Recovery::FailAndReconnect,
            code if BISECTED.iter().any(|class| code.starts_with(class)) => Recovery::Bisect,
            _ => Recovery::Fail,
        }
    }
}
