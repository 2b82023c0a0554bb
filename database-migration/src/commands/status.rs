//! `status`: every migration and whether it is applied.

use std::fmt;

use process::failure::ExitCode;
use serde::Serialize;

use crate::error::Error;
use crate::ledger::{Applied, Ledger};
use crate::migrator::Migrator;
use crate::run_context::RunContext;
use crate::source::Migration;
use crate::state::{SchemaState, differing_files};

/// The migrations of this build and of the ledger, side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// `host:port/name`
    pub database: String,
    /// The newest applied version; 0 when nothing is applied.
    pub version: i32,
    /// The newest version of this build.
    pub newest: i32,
    /// How many migrations of this build have yet to be applied.
    pub pending: usize,
    /// What stands in the way, if something does: an edited file, a gap, a schema too new.
    pub problem: Option<String>,
    /// One row per migration by version.
    pub migrations: Vec<Row>,
    /// How a process ends that is asked for the status by `--exit-code`.
    #[serde(skip)]
    pub exit_code: ExitCode,
}

/// One migration.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its version.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// Whether it is applied.
    pub state: State,
    /// When it was applied, ISO 8601 in UTC.
    pub applied_at: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// The build that applied it.
    pub build: Option<String>,
}

/// Whether a migration is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Applied as it is in this build.
    Applied,
    /// Not applied yet.
    Pending,
    /// Applied, and its files were edited since.
    Edited,
    /// In the ledger and not in this build.
    Unknown,
    /// Applied by another program, such as the diesel CLI: `repair` adopts it.
    Unverified,
}

impl Migrator {
    /// The migrations of this build and of the ledger, side by side.
    ///
    /// # Errors
    /// [`Error::Connect`] and [`Error::Database`]; whatever the ledger says is part of the answer.
    pub async fn status(&self) -> Result<Status, Error> {
        let run = RunContext::start(self, "status");
        let client = run.connect().await?;
        let ledger = run.ledger(&client, run.lock_wait()).await?;
        Ok(Status::of(self.database.target(), &self.migrations, &ledger))
    }
}

impl Status {
    fn of(database: String, migrations: &[Migration], ledger: &Ledger) -> Self {
        let applied = &ledger.applied;
        let mut rows: Vec<Row> = applied.iter().map(|row| Row::applied(row, migrations)).collect();
        let is_applied = |it: &&Migration| applied.iter().any(|row| row.version == it.version);
        let pending: Vec<&Migration> = migrations.iter().filter(|it| !is_applied(it)).collect();
        rows.extend(pending.iter().map(|migration| Row::pending(migration)));
        rows.sort_by_key(|row| row.version);

        let problem = SchemaState::of(migrations, ledger).err();
        let code = problem.as_ref().map(Error::exit_code);
        Self {
            database,
            version: ledger.version(),
            newest: migrations.last().map_or(0, |last| last.version),
            pending: pending.len(),
            exit_code: code.unwrap_or(if pending.is_empty() {
                ExitCode::Done
            } else {
                ExitCode::Pending
            }),
            problem: problem.map(|problem| problem.to_string()),
            migrations: rows,
        }
    }
}

impl Row {
    fn applied(row: &Applied, migrations: &[Migration]) -> Self {
        let known = migrations.iter().find(|it| it.version == row.version);
        let is_other = |it: &&Migration| {
            row.details
                .as_ref()
                .is_some_and(|details| details.name != it.name)
        };
        let state = match (known, &row.details) {
            (None, _) => State::Unknown,
            (Some(it), _) if is_other(&it) => State::Unknown,
            (Some(_), None) => State::Unverified,
            (Some(it), _) if differing_files(it, row).next().is_some() => State::Edited,
            (Some(_), _) => State::Applied,
        };
        let name = row.details.as_ref().map(|details| details.name.clone());
        Self {
            version: row.version,
            name: name
                .or_else(|| known.map(|it| it.name.clone()))
                .unwrap_or_default(),
            state,
            applied_at: Some(row.applied_at.clone()),
            duration_ms: row.details.as_ref().and_then(|details| details.duration_ms),
            build: row.details.as_ref().map(|details| details.build.clone()),
        }
    }

    fn pending(migration: &Migration) -> Self {
        Self {
            version: migration.version,
            name: migration.name.clone(),
            state: State::Pending,
            applied_at: None,
            duration_ms: None,
            build: None,
        }
    }
}

/// A table for people.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: version {} of {}",
            self.database, self.version, self.newest
        )?;
        for row in &self.migrations {
            let state = match row.state {
                State::Applied => "applied",
                State::Pending => "pending",
                State::Edited => "EDITED",
                State::Unknown => "UNKNOWN",
                State::Unverified => "UNVERIFIED",
            };
            write!(f, "  {:04} {:<20} {state:<8}", row.version, row.name)?;
            if let Some(at) = &row.applied_at {
                write!(f, " {at}")?;
            }
            if let Some(ms) = row.duration_ms {
                write!(f, " in {ms} ms")?;
            }
            if let Some(build) = &row.build {
                write!(f, " by {build}")?;
            }
            writeln!(f)?;
        }
        match &self.problem {
            Some(problem) => writeln!(f, "{problem}"),
            None if self.pending == 0 => writeln!(f, "nothing is pending"),
            None => writeln!(f, "{} pending: database-migration up", self.pending),
        }
    }
}
