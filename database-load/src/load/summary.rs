//! The result of a run, profile by profile.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tracing::info;
use uuid::Uuid;

/// What a run did, profile by profile.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// In the order in which they ended.
    pub profiles: Vec<ProfileRun>,
}

/// What a run did with one profile.
#[derive(Clone, Debug)]
pub struct ProfileRun {
    /// `bootstrap_runs.id`.
    pub run_id: Uuid,
    /// The profile's name.
    pub profile: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The active version afterwards.
    pub version: Option<i64>,
    /// What was written, table by table; empty when nothing was.
    pub changes: Vec<(&'static str, Changes)>,
    /// Since the run began.
    pub elapsed: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new version is active.
    Changed,
    /// The sources are those of the active version.
    Unchanged,
    /// The sources are older than the active version.
    Held,
    /// A source could not be reached; the active version stays.
    Kept,
    /// Nothing was changed, because of an error.
    Failed,
    /// Nothing was changed, because the run was told to stop.
    Canceled,
}

/// Rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// New rows.
    pub added: u64,
    /// Rows with other values than before.
    pub changed: u64,
    /// Rows no longer active; most are kept.
    pub retired: u64,
}

impl Outcome {
    /// The word for it in `bootstrap_runs`.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Changed => "changed",
            Outcome::Unchanged => "unchanged",
            Outcome::Held => "held",
            Outcome::Kept => "kept",
            Outcome::Failed => "failed",
            Outcome::Canceled => "canceled",
        }
    }
}

impl Summary {
    /// Adds a profile and says so in the log: the last line of its run.
    pub fn add(&mut self, run: ProfileRun) {
        info!(run_id = %run.run_id, profile = run.profile, outcome = run.outcome.name(), version = run.version, "{run}");
        self.profiles.push(run);
    }
}

impl fmt::Display for ProfileRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "run {} of profile {}: {}",
            self.run_id,
            self.profile,
            self.outcome.name()
        )?;
        if let Some(version) = self.version {
            write!(out, ", version {version} is active")?;
        }
        for (
            table,
            Changes {
                added,
                changed,
                retired,
            },
        ) in &self.changes
        {
            write!(out, "; {table} +{added} ~{changed} -{retired}")?;
        }
        write!(out, "; {:.3} s", self.elapsed.as_secs_f64())
    }
}
