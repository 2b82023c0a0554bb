//! `repair`: accepts the files of this build for those that were applied.

use serde::Serialize;
use tracing::info;
use uuid::Uuid;

use crate::error::{Doing as _, Error};
use crate::ledger::{self, Applied};
use crate::migrator::Migrator;
use crate::run_context::RunContext;
use crate::source::Migration;
use crate::state::{differing_files, problems};

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
    /// Writes names and SHA-256 of this build's files into the ledger where they differ, or where
    /// another program applied them. No SQL file is run.
    ///
    /// A file of another name is taken for the applied one only if its text is the same.
    ///
    /// # Errors
    /// [`Error::BeyondRepair`] when a row and a file have nothing in common, or a row is
    /// missing; [`Error::TooOld`] when the database has versions that this build does not; every
    /// other [`Error`] of a run. Nothing is changed then.
    pub async fn repair(&self) -> Result<Repaired, Error> {
        let run = RunContext::announce(self, "repair");
        let client = run.connect().await?;
        run.under_lock(client, async |session| {
            run.become_owner(session).await?;
            let ledger = run.ledger(&session.client, run.lock_wait()).await?;
            let (version, newest) = (ledger.version(), self.newest());
            if version > newest {
                return Err(Error::TooOld {
                    doing: "repair the ledger",
                    version,
                    newest,
                });
            }
            let repairs = repairs(&self.migrations, &ledger.applied)?;
            if !repairs.is_empty() {
                let ensure = ledger::ensure(&mut session.client, &self.migrations, &self.roles, &self.build);
                run.briefly("create the ledger", run.lock_wait(), ensure).await?;
            }
            let replace = async {
                let transaction = session.client.transaction().await?;
                for (migration, _) in &repairs {
                    ledger::write(&transaction, migration, None, &self.build).await?;
                }
                transaction.commit().await
            };
            run.unless_stopped(async { replace.await.doing("write the ledger") })
                .await?;

            for (migration, changes) in &repairs {
                for change in changes {
                    info!(
                        version = migration.version,
                        "Repaired version {}: {change}", migration.version
                    );
                }
            }
            let changes: Vec<String> = repairs.into_iter().flat_map(|(_, changes)| changes).collect();
            let message = (!changes.is_empty()).then(|| changes.join("; "));
            Ok((
                Repaired {
                    run_id: self.run_id,
                    version,
                    changes,
                },
                message,
            ))
        })
        .await
    }
}

/// The migrations whose rows differ, and how.
fn repairs<'a>(
    migrations: &'a [Migration],
    applied: &[Applied],
) -> Result<Vec<(&'a Migration, Vec<String>)>, Error> {
    if let Some(gap @ Error::Gap { .. }) = problems(migrations, applied).pop() {
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
            repairs.push((migration, changes));
        }
    }
    Ok(repairs)
}

fn differences(migration: &Migration, row: &Applied) -> Result<Vec<String>, Error> {
    let Some(details) = &row.details else {
        return Ok(vec![format!(
            "{migration} was applied by another program and is adopted"
        )]);
    };
    let is_renamed = migration.name != details.name;
    let mut changes = Vec::new();
    if is_renamed {
        changes.push(format!("{:04}_{} is now {migration}", row.version, details.name));
    }
    for (file, there, here) in differing_files(migration, row) {
        if is_renamed && file == migration.up_file() {
            let problem = format!(
                "version {} is {} there and {} here, and the files differ, too",
                row.version, details.name, migration.name
            );
            return Err(Error::BeyondRepair { problem });
        }
        changes.push(format!("{file}: SHA-256 {there} is now {here}"));
    }
    Ok(changes)
}
