//! `up`: applies the migrations that are missing.

use database::Database;
use tracing::warn;

use super::change::change;
use crate::error::Error;
use crate::migrator::{Done, Migrator};
use crate::run_context::RunContext;
use crate::source::Direction;
use crate::state::SchemaState;

/// Brings a database that can be reached to the newest version of this build.
///
/// # Errors
/// Every [`Error`]; what was applied before it stays.
pub async fn up(database: &Database) -> Result<Done, Error> {
    Migrator::new(database.clone())?.up(None).await
}

impl Migrator {
    /// Applies what is missing, up to version `to` or everything; a database that is further stays.
    ///
    /// When nothing is missing this is one `SELECT`. However many run at once, each migration is
    /// applied once.
    ///
    /// # Errors
    /// Every [`Error`]; what was applied before it stays.
    pub async fn up(&self, to: Option<i32>) -> Result<Done, Error> {
        let to = self.target(to)?;
        let run = RunContext::announce(self, "up");
        let client = run.connect().await?;
        let state = run.state_or_record(&client).await?;
        if state.is_newer() {
            warn!(
                "the database is at version {}, newer than this build ({}), and still allows it (from {})",
                state.version, state.newest, state.min_compatible
            );
        }
        if !state.unverified.is_empty() {
            warn!(
                "applied by another program, unverified: {}; database-migration repair accepts them",
                state.unverified.join(", ")
            );
        }
        if state.is_complete && state.pending(&self.migrations, to).is_empty() {
            return Ok(Done {
                partitions_ahead: state.partitions_ahead,
                ..self.done(state.version, state.version, 0)
            });
        }
        let choose = |state: &SchemaState| Ok(state.pending(&self.migrations, to));
        change(&run, client, Direction::Up, choose).await
    }
}
