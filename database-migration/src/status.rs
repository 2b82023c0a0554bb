//! What `status` says: every migration and whether it is applied.

use std::fmt;

use process::failure::ExitCode;
use serde::Serialize;

use crate::ledger::Applied;
use crate::migration::Migration;
use crate::standing::Standing;

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
}

impl Status {
    pub(crate) fn of(database: String, migrations: &[Migration], applied: &[Applied]) -> Self {
        let mut rows: Vec<Row> = applied.iter().map(|row| Row::applied(row, migrations)).collect();
        let is_applied = |it: &&Migration| applied.iter().any(|row| row.version == it.version);
        let pending: Vec<&Migration> = migrations.iter().filter(|it| !is_applied(it)).collect();
        rows.extend(pending.iter().map(|migration| Row::pending(migration)));
        rows.sort_by_key(|row| row.version);

        let problem = Standing::of(migrations, applied).err();
        let code = problem.as_ref().map(crate::error::Error::exit_code);
        Self {
            database,
            version: applied.last().map_or(0, |last| last.version),
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
        let known = migrations
            .iter()
            .find(|it| it.version == row.version && it.name == row.name);
        let state = match known {
            None => State::Unknown,
            Some(it) if it.up_sha256() == *row.up_sha256 && it.down_sha256() == *row.down_sha256 => {
                State::Applied
            }
            Some(_) => State::Edited,
        };
        Self {
            version: row.version,
            name: row.name.clone(),
            state,
            applied_at: Some(row.applied_at.clone()),
            duration_ms: Some(row.duration_ms),
            build: Some(row.build.clone()),
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
            };
            write!(f, "  {:04} {:<20} {state:<8}", row.version, row.name)?;
            if let (Some(at), Some(ms), Some(build)) = (&row.applied_at, row.duration_ms, &row.build) {
                write!(f, " {at} in {ms} ms by {build}")?;
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
