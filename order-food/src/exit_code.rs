//! Exit codes of errors of the database.

use database::ConnectError;
use process::failure::{ExitCode, Failure};

/// For `map_err`: exit code 3 when the database cannot be reached, 2 when it refuses.
pub(crate) fn connecting(doing: &'static str) -> impl Fn(ConnectError) -> Failure {
    move |error| {
        let code = match error.is_unreachable() {
            true => ExitCode::DatabaseUnreachable,
            false => ExitCode::Usage,
        };
        Failure::new(code, doing).context_from(error)
    }
}
