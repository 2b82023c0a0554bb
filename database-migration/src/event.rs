//! What a run tells while it goes on: log lines for people, events for programs.

use std::fmt;

use serde::Serialize;
use tracing::{info, warn};
use uuid::Uuid;

use crate::execute::{Direction, LOCK_TIMEOUT};

/// Something that happened in a run.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// The first of all: nothing has been asked of the database yet.
    Starting {
        /// Names the run in the logs and in `bootstrap_runs`.
        run_id: Uuid,
        /// The subcommand.
        command: &'static str,
        /// `host:port/name`
        database: String,
        /// The newest version of this build.
        newest: i32,
        /// The build.
        build: String,
    },
    /// What will be done, with the migration lock held.
    Planned {
        /// The newest version applied.
        version: i32,
        /// Whether they are applied or taken back.
        direction: Direction,
        /// The files that will be run, in this order.
        files: Vec<String>,
    },
    /// Somebody else has to end something first.
    Waiting {
        /// What for, and who is in the way.
        message: String,
    },
    /// Good to know.
    Note {
        /// One sentence.
        message: String,
    },
    /// Nothing to act upon at once, but better looked at.
    Warning {
        /// One sentence.
        message: String,
    },
    /// A migration begins.
    StepStarted {
        /// Which of the steps, from 1.
        step: usize,
        /// How many steps the run has.
        of: usize,
        /// The file that is run.
        file: String,
        /// `createTables`, `createIndexes` or `alterTables`; of a step back `revert`.
        kind: &'static str,
    },
    /// A migration gave up for want of a lock, and will be tried again.
    StepRetried {
        /// The file that is run.
        file: String,
        /// Which attempt gave up, from 1.
        attempt: u32,
        /// Who was in the way.
        in_the_way: String,
    },
    /// A migration and its row in the ledger are committed.
    StepDone {
        /// Which of the steps, from 1.
        step: usize,
        /// How many steps the run has.
        of: usize,
        /// The file that was run.
        file: String,
        /// How long it took with all attempts, in milliseconds.
        duration_ms: u64,
        /// How often it was tried; at least 1.
        attempts: u32,
    },
    /// A row of the ledger was brought in line with the files of this build.
    Repaired {
        /// The migration's version.
        version: i32,
        /// What was replaced by what.
        change: String,
    },
    /// `roles apply` has changed something, and committed it.
    RoleChanged {
        /// One sentence.
        change: String,
    },
    /// `roles check` has found something that is not as it should be.
    RoleDiffers {
        /// What is missing, surplus or differs.
        finding: String,
    },
}

impl Event {
    /// What it is called as JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting { .. } => "starting",
            Self::Planned { .. } => "planned",
            Self::Waiting { .. } => "waiting",
            Self::Note { .. } => "note",
            Self::Warning { .. } => "warning",
            Self::StepStarted { .. } => "step_started",
            Self::StepRetried { .. } => "step_retried",
            Self::StepDone { .. } => "step_done",
            Self::Repaired { .. } => "repaired",
            Self::RoleChanged { .. } => "role_changed",
            Self::RoleDiffers { .. } => "role_differs",
        }
    }

    /// Writes the event's line into the log.
    pub(crate) fn log(&self) {
        match self {
            Self::Warning { message } => warn!("{message}"),
            Self::StepRetried { attempt, .. } => warn!(attempt, "{self}"),
            _ => info!("{self}"),
        }
    }
}

/// The line for people.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting {
                run_id,
                command,
                database,
                newest,
                build,
            } => write!(
                f,
                "Starting run {run_id}: {command} on {database}, build {build} with versions 1 to {newest}"
            ),
            Self::Planned {
                version,
                direction,
                files,
            } => {
                let what = match direction {
                    Direction::Up => "to apply",
                    Direction::Down => "to take back",
                };
                let migrations = if files.len() == 1 {
                    "migration"
                } else {
                    "migrations"
                };
                write!(
                    f,
                    "The database is at version {version}, {} {migrations} {what}",
                    files.len()
                )
            }
            Self::Waiting { message } | Self::Note { message } | Self::Warning { message } => {
                f.write_str(message)
            }
            Self::StepStarted { step, of, file, kind } => {
                write!(f, "Step {step} of {of}: {kind} {file}")
            }
            Self::StepRetried { file, in_the_way, .. } => write!(
                f,
                "{file} did not get its locks within {LOCK_TIMEOUT}; trying again: {in_the_way}"
            ),
            Self::StepDone {
                step,
                of,
                duration_ms,
                attempts,
                ..
            } => {
                write!(f, "Step {step} of {of} done in {duration_ms} ms")?;
                match attempts {
                    1 => Ok(()),
                    attempts => write!(f, " at attempt {attempts}"),
                }
            }
            Self::Repaired { version, change } => write!(f, "Repaired version {version}: {change}"),
            Self::RoleChanged { change: it } | Self::RoleDiffers { finding: it } => f.write_str(it),
        }
    }
}
