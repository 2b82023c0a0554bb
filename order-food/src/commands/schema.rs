//! Whether the schema is as new as a command needs it.

use database::version;
use process::failure::{ExitCode, Failure, OrExit};
use tokio_postgres::Client;

/// Looks at the version of the schema.
///
/// # Errors
/// Exit code 9 when it is older than `needed`.
pub(super) async fn check(client: &Client, needed: i32) -> Result<(), Failure> {
    let applied = version::applied(client)
        .await
        .or_exit(ExitCode::Unexpected, "read the schema version")?;
    let found = applied.map_or(0, |applied| applied.version);
    if found >= needed {
        return Ok(());
    }
    Err(Failure::new(
        ExitCode::Prerequisite,
        format!(
            "the schema has version {found}, this command needs version {needed}: run `database-migration up` first"
        ),
    ))
}
