//! Exit codes of errors of the database.

use std::error::Error as _;

use database::ConnectError;
use process::failure::ExitCode;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// The exit code of a job that failed to connect: 3, 9 when the database cannot hold the data, or 2
/// when the server or a setting refuses.
#[must_use]
pub fn of_connect(error: &ConnectError) -> ExitCode {
    match error {
        ConnectError::Unreachable { .. } => ExitCode::DatabaseUnreachable,
        ConnectError::Encoding { .. } => ExitCode::Prerequisite,
        _ => ExitCode::Usage,
    }
}

/// The exit code of a job whose statement failed.
///
/// - 4: a lock was not granted within `lock_timeout`.
/// - 6: the connection is lost, or the server has no room, memory or working disk.
/// - 9: a standby, a missing right or a missing schema.
/// - 1: everything else.
#[must_use]
pub fn of_statement(error: &Error) -> ExitCode {
    let prerequisites = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    match error.code() {
        _ if is_lost(error) => ExitCode::Input,
        Some(state) if *state == SqlState::LOCK_NOT_AVAILABLE => ExitCode::LockTimeout,
        Some(state) if prerequisites.contains(state) => ExitCode::Prerequisite,
        // Insufficient resources; system error.
        Some(state) if is_of(state, &["53", "58"]) => ExitCode::Input,
        _ => ExitCode::Unexpected,
    }
}

/// Whether the connection ended, or the server ended it.
#[must_use]
pub fn is_lost(error: &Error) -> bool {
    match error.code() {
        // Connection exception; operator intervention: shutdown, crash, start-up, dropped database.
        Some(state) => is_of(state, &["08", "57P"]),
        None => error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>()),
    }
}

fn is_of(state: &SqlState, classes: &[&str]) -> bool {
    classes.iter().any(|class| state.code().starts_with(class))
}
