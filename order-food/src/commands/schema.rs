//! Connections to a database whose schema is as new as a command needs it.

use database::{Database, version};
use diesel_async::AsyncPgConnection;
use process::failure::{ExitCode, Failure, OrExit};

use crate::exit_code::connecting;

/// Connects for a command.
///
/// # Errors
/// Exit code 3 when the database cannot be reached, 2 when it refuses, 9 when its schema is older
/// than `needed`.
pub(super) async fn connect(
    database: &Database,
    command: &'static str,
    needed: i32,
) -> Result<AsyncPgConnection, Failure> {
    let client = database.connect().await.map_err(connecting(command))?;
    let applied = version::applied(&client)
        .await
        .or_exit(ExitCode::Unexpected, "read the schema version")?;
    let found = applied.map_or(0, |applied| applied.version);
    if found >= needed {
        return database.connect_diesel().await.map_err(connecting(command));
    }
    Err(Failure::new(
        ExitCode::Prerequisite,
        format!(
            "the schema has version {found}, this command needs version {needed}: run `database-migration up` first"
        ),
    ))
}
