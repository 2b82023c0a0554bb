//! What can go wrong, and how the process then ends.

use std::time::Duration;

use database::ConnectError;
use process::exit::ExitCode;
use tokio_postgres::error::SqlState;

use crate::migration::BadMigration;

/// Why the migrator did not do what it was asked.
///
/// Whatever it is, the migration that was running was rolled back, and those before it stay.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Exit 3, or 2 when the server refuses us: no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Exit 1: a migration of this build has a bad header.
    #[error(transparent)]
    Bad(#[from] BadMigration),
    /// Exit 2: a version was asked for that this build does not have.
    #[error("there is no version {asked}: this build has the versions 0 to {newest}")]
    NoSuchVersion {
        /// The version asked for.
        asked: i32,
        /// The newest version of this build.
        newest: i32,
    },
    /// Exit 2: more steps back than there are, or a step forward.
    #[error("cannot go back to version {asked}: the database is at version {version}")]
    NotBack {
        /// The version asked for.
        asked: i64,
        /// The version of the database.
        version: i32,
    },
    /// Exit 4: another session held the migration lock all the time.
    #[error("the migration lock is held by {holder}; gave up after {} s", waited.as_secs())]
    LockHeld {
        /// Process id, application name, since when.
        holder: String,
        /// How long this process waited.
        waited: Duration,
    },
    /// Exit 4: other sessions held locks on the tables that a migration changes.
    #[error("{file} did not get its locks in {attempts} attempts; {blockers}")]
    Blocked {
        /// The file that was to be run.
        file: String,
        /// How often it was tried.
        attempts: u32,
        /// Who was in the way.
        blockers: String,
    },
    /// Exit 5: an applied migration was edited since.
    #[error(
        "{file} was edited after it was applied: SHA-256 {applied} was applied, this build has {embedded}"
    )]
    Edited {
        /// The file's name.
        file: String,
        /// SHA-256 in the ledger, hexadecimal.
        applied: String,
        /// SHA-256 of the file in this build, hexadecimal.
        embedded: String,
    },
    /// Exit 5: the ledger has a migration that this build should know and does not.
    #[error("the ledger has migration {version} ({name}), which this build does not have")]
    Unknown {
        /// Version in the ledger.
        version: i32,
        /// Name in the ledger.
        name: String,
    },
    /// Exit 5: a migration was left out although later ones were applied.
    #[error("{file} was never applied although the database is at version {version}")]
    Gap {
        /// The file that was left out.
        file: String,
        /// The newest version applied.
        version: i32,
    },
    /// Exit 7: the schema no longer allows this build.
    #[error(
        "the database is at version {version} and needs a build of version {min_compatible} or later; \
         this build has {newest}"
    )]
    Newer {
        /// The newest version applied.
        version: i32,
        /// The oldest build that works with it.
        min_compatible: i32,
        /// The newest version of this build.
        newest: i32,
    },
    /// Exit 7: this build cannot take back what it does not know.
    #[error(
        "the database is at version {version}: only a build that has it can go back; this build has {newest}"
    )]
    CannotGoBack {
        /// The newest version applied.
        version: i32,
        /// The newest version of this build.
        newest: i32,
    },
    /// Exit 8: `wait` has waited in vain.
    #[error("the database is still at version {version}, not at {asked}, after {} s", waited.as_secs())]
    StillPending {
        /// The newest version applied.
        version: i32,
        /// The version waited for.
        asked: i32,
        /// How long.
        waited: Duration,
    },
    /// Exit 1, 3 or 9: the database answered a statement with an error.
    #[error("{doing}")]
    Database {
        /// What was being done, or the file that was run.
        doing: String,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Exit 143: SIGTERM or SIGINT.
    #[error("stopped by a signal{}", during.as_ref().map(|file| format!(" during {file}, which was rolled back")).unwrap_or_default())]
    Stopped {
        /// The file that was being run.
        during: Option<String>,
    },
}

impl Error {
    /// How a process ends that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Connect(error) if error.is_unreachable() => ExitCode::DatabaseUnreachable,
            Self::Connect(_) | Self::NoSuchVersion { .. } | Self::NotBack { .. } => ExitCode::Usage,
            Self::Bad(_) => ExitCode::Unexpected,
            Self::LockHeld { .. } | Self::Blocked { .. } => ExitCode::LockTimeout,
            Self::Edited { .. } | Self::Unknown { .. } | Self::Gap { .. } => ExitCode::Drift,
            Self::Newer { .. } | Self::CannotGoBack { .. } => ExitCode::Incompatible,
            Self::StillPending { .. } => ExitCode::Pending,
            Self::Database { source, .. } => code_of(source),
            Self::Stopped { .. } => ExitCode::Terminated,
        }
    }
}

fn code_of(error: &tokio_postgres::Error) -> ExitCode {
    // A standby, or a role without the right: this command builds on something that is not there.
    let prerequisites = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    match error.code() {
        Some(code) if prerequisites.contains(code) => ExitCode::Prerequisite,
        Some(code) if *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN => {
            ExitCode::DatabaseUnreachable
        }
        Some(_) => ExitCode::Unexpected,
        None => ExitCode::DatabaseUnreachable,
    }
}

/// Names what was being done when a statement failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, tokio_postgres::Error> {
    fn doing(self, what: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Database {
            doing: what.to_owned(),
            source,
        })
    }
}
