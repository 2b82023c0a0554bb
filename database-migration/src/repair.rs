//! `repair`: accepts the files of this build for those that were applied.

use serde::Serialize;
use tracing::warn;
use uuid::Uuid;

use crate::error::{Doing as _, Error};
use crate::event::Event;
use crate::ledger::{self, Applied};
use crate::migration::Migration;
use crate::migrator::Migrator;
use crate::standing;

/// What a repair did.
#[derive(Clone, Debug, Serialize)]
pub struct Repaired {
    /// Names the run.
    pub run_id: Uuid,
    /// The newest version applied.
    pub version: i32,
    /// What was replaced by what, a sentence each; empty when nothing was to be repaired.
    pub changes: Vec<String>,
}

impl Migrator {
    /// Writes names and SHA-256 of this build's files into the ledger where they differ. No SQL file is run.
    ///
    /// A file of another name is taken for the applied one only if its text is the same.
    ///
    /// # Errors
    /// [`Error::BeyondRepair`] when a row and a file have nothing in common, or a row is missing; [`Error::TooOld`] when the
    /// database has versions that this build does not; every other [`Error`] of a run. Nothing is changed then.
    pub async fn repair(&self) -> Result<Repaired, Error> {
        let run = self.start("repair");
        run.announce();
        let client = run.connect().await?;
        run.under_lock(client, async |session| {
            let ledger = run.ledger(&session.client, run.patience()).await?;
            let version = ledger.version();
            if version > self.newest() {
                return Err(Error::TooOld {
                    doing: "repair the ledger",
                    version,
                    newest: self.newest(),
                });
            }
            let repairs = repairs(&self.migrations, &ledger.applied)?;
            let replace = async {
                let transaction = session.client.transaction().await?;
                for (migration, _) in &repairs {
                    ledger::replace(&transaction, migration).await?;
                }
                transaction.commit().await
            };
            run.unless_stopped(async { replace.await.doing("write the ledger") })
                .await?;

            let changes: Vec<String> = repairs
                .into_iter()
                .flat_map(|(migration, changes)| {
                    let version = migration.version;
                    changes.into_iter().map(move |change| (version, change))
                })
                .map(|(version, change)| {
                    run.tell(Event::Repaired {
                        version,
                        change: change.clone(),
                    });
                    change
                })
                .collect();
            let message = (!changes.is_empty()).then(|| changes.join("; "));
            let repaired = Repaired {
                run_id: self.run_id,
                version,
                changes,
            };
            Ok((repaired, message))
        })
        .await
    }
}

/// The migrations whose rows differ, and how.
fn repairs<'a>(
    migrations: &'a [Migration],
    applied: &[Applied],
) -> Result<Vec<(&'a Migration, Vec<String>)>, Error> {
    if let Some(gap @ Error::Gap { .. }) = standing::problems(migrations, applied).pop() {
        return Err(Error::BeyondRepair {
            problem: gap.to_string(),
        });
    }
    let mut repairs = Vec::new();
    for row in applied {
        let Some(migration) = migrations.iter().find(|it| it.version == row.version) else {
            continue;
        };
        let changes = differences(migration, row)?;
        if !changes.is_empty() {
            warn!("accepting {migration} as it is in this build");
            repairs.push((migration, changes));
        }
    }
    Ok(repairs)
}

fn differences(migration: &Migration, row: &Applied) -> Result<Vec<String>, Error> {
    let sums = [
        (migration.up_file(), migration.up_sha256(), &row.up_sha256),
        (migration.down_file(), migration.down_sha256(), &row.down_sha256),
    ];
    let is_renamed = migration.name != row.name;
    let mut changes = Vec::new();
    if is_renamed {
        changes.push(format!("{:04}_{} is now {migration}", row.version, row.name));
    }
    for (index, (file, here, there)) in sums.into_iter().enumerate() {
        if here.as_slice() == there.as_slice() {
            continue;
        }
        if is_renamed && index == 0 {
            return Err(Error::BeyondRepair {
                problem: format!(
                    "version {} is {} there and {} here, and the files differ, too",
                    row.version, row.name, migration.name
                ),
            });
        }
        let (there, here) = (hex::encode(there), hex::encode(here));
        changes.push(format!("{file}: SHA-256 {there} is now {here}"));
    }
    Ok(changes)
}
