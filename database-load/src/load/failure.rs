//! Failures of the database with the exit code of the process.

use database::ConnectError;
use one_shot::exit_code;
use process::failure::{ExitCode, Failure, causes};
use tokio_postgres::error::SqlState;

/// For `map_err`: what was being done when a statement failed.
pub(crate) fn database(doing: &str) -> impl FnOnce(tokio_postgres::Error) -> Failure + use<> {
    let doing = doing.to_owned();
    move |error| {
        // The schema is not the one that this build needs.
        let missing = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN];
        let code = match error.code() {
            Some(state) if missing.contains(state) => ExitCode::Prerequisite,
            _ => exit_code::of_statement(&error),
        };
        Failure::new(code, doing).context_from(error)
    }
}

/// For `map_err`: no connection.
pub(super) fn connecting(error: ConnectError) -> Failure {
    Failure::new(exit_code::of_connect(&error), "connect").context_from(error)
}

/// The SQLSTATE that caused a failure, if the server gave one.
pub(super) fn state(failure: &Failure) -> Option<&SqlState> {
    causes(failure)
        .find_map(|error| error.downcast_ref::<tokio_postgres::Error>())?
        .code()
}
