//! `down`: reverts migrations, the newest first.

use tracing::warn;

use super::change::change;
use crate::data_loss::{self, DataLoss};
use crate::error::Error;
use crate::migrator::{Back, Done, Migrator};
use crate::run_context::RunContext;
use crate::source::{Direction, Migration};
use crate::state::SchemaState;

impl Migrator {
    /// Reverts migrations, the newest first. Tables and columns are dropped only with
    /// [`allow_destructive`](Self::allow_destructive).
    ///
    /// # Errors
    /// Every [`Error`]; what was reverted before it stays so.
    pub async fn down(&self, back: Back) -> Result<Done, Error> {
        let run = RunContext::announce(self, "down");
        let client = run.connect().await?;
        let state = run.state_or_record(&client).await?;
        let Some(oldest) = self.to_revert(&state, back)?.pop() else {
            return Ok(self.done(state.version, state.version, 0));
        };
        // Steps count from the version at the start: two copies at once go back once.
        let target = oldest.version - 1;
        change(&run, client, Direction::Down, |state| {
            if state.version <= target {
                return Ok(Vec::new());
            }
            let chosen = self.to_revert(state, Back::To(target))?;
            let losses: Vec<DataLoss> = chosen.iter().flat_map(|it| data_loss::of(&it.down)).collect();
            if !losses.is_empty() && !self.allow_destructive {
                return Err(Error::Destructive { to: target, losses });
            }
            if !losses.is_empty() {
                warn!("Dropping {}", data_loss::list(&losses));
            }
            Ok(chosen)
        })
        .await
    }

    /// The migrations to revert, the newest first.
    pub(crate) fn to_revert(&self, state: &SchemaState, back: Back) -> Result<Vec<&Migration>, Error> {
        let version = state.version;
        let target = match back {
            Back::Steps(steps) => i64::from(version) - i64::from(steps),
            Back::To(to) => i64::from(to),
        };
        if state.is_newer() {
            return Err(Error::TooOld {
                doing: "go back",
                version,
                newest: state.newest,
            });
        }
        if !(0..=i64::from(version)).contains(&target) {
            return Err(Error::NotBack {
                asked: target,
                version,
            });
        }
        let newest_first = self.up_to(version).iter().rev();
        Ok(newest_first
            .take_while(|it| i64::from(it.version) > target)
            .collect())
    }
}
