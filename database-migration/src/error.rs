//! What can go wrong, and how the process then ends.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use database::ConnectError;
use process::failure::ExitCode;
use tokio_postgres::error::SqlState;

use crate::limit::Stop;
use crate::migration::BadMigration;
use crate::roles::Role;
use crate::rows::{self, Loss};

/// Why the migrator did not do what it was asked.
///
/// Whatever it is, the migrations that were done before it stay as they are.
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
    /// Exit 2: a way back would take rows with it, and nobody has said that it may.
    #[error(
        "going back to version {to} would drop what holds rows: {}; nothing was changed",
        rows::list(losses)
    )]
    HoldsRows {
        /// The version to go back to.
        to: i32,
        /// What would be dropped.
        losses: Vec<Loss>,
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
    #[error("{file} did not get its locks in {}; {blockers}", count(*attempts, "attempt"))]
    Blocked {
        /// The file that was to be run.
        file: String,
        /// How often it was tried.
        attempts: u32,
        /// Who was in the way.
        blockers: String,
    },
    /// Exit 4: a statement on the ledger was not answered in time.
    #[error("could not {doing} within {} s; in the way: {holders}; nothing was changed", waited.as_secs())]
    Held {
        /// What was being done.
        doing: &'static str,
        /// Who was in the way.
        holders: String,
        /// How long this process waited.
        waited: Duration,
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
    /// Exit 5: the ledger says what no file of this build can be taken for; `repair` leaves it alone.
    #[error("the ledger cannot be repaired: {problem}; nothing was changed")]
    BeyondRepair {
        /// What does not fit.
        problem: String,
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
    /// Exit 7: this build cannot take back or judge what it does not know.
    #[error(
        "the database is at version {version}: only a build that has it can {doing}; this build has {newest}"
    )]
    TooOld {
        /// What was asked for.
        doing: &'static str,
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
    /// Exit 9: the server replays what another one does.
    #[error("{database} is a standby, which takes no changes; nothing was changed")]
    Standby {
        /// `host:port/name`
        database: String,
    },
    /// Exit 2: who makes the roles is none of them.
    #[error(
        "roles.{role} names the role that this session acts as: another one has to make the roles; nothing was changed"
    )]
    OwnRole {
        /// Which of the roles.
        role: Role,
    },
    /// Exit 1, 6 or 9: the roles could not be made as they should be.
    #[error("could not {todo}; nothing was changed")]
    RoleChange {
        /// What was being done.
        todo: String,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Exit 9: what is left to do is somebody else's right.
    #[error("{operator} could not {left}; nothing was changed")]
    RolesLeft {
        /// Who tried.
        operator: String,
        /// What was left.
        left: String,
    },
    /// Exit 9: the table with the ledger's name belongs to something else.
    #[error("schema_migrations exists but is not this project's ledger: use another schema or database")]
    ForeignLedger,
    /// Exit 9: new tables would belong to no schema.
    #[error(
        "search_path ({search_path}) names no schema that exists, so there is none for the tables; nothing was changed"
    )]
    NoSchema {
        /// What the session's `search_path` is.
        search_path: String,
    },
    /// Exit 1, 6 or 9: a statement before the first migration failed.
    #[error("could not {doing}; nothing was changed")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Exit 1, 6 or 9: a migration failed.
    #[error("{file} failed; it {remains}, and what was done before it stays")]
    Failed {
        /// The file that was run.
        file: String,
        /// What it has left behind.
        remains: Remains,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Exit 143: SIGTERM or SIGINT. Exit 6: `--timeout`.
    #[error("{why}{}", during.as_ref().map(|(file, remains)| format!(" during {file}, which {remains}")).unwrap_or_default())]
    Stopped {
        /// What asked for it.
        why: Stop,
        /// The file that was being run, and what it has left behind.
        during: Option<(String, Remains)>,
    },
}

/// `1 attempt`, `2 attempts`
pub(crate) fn count(number: u32, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// What a migration that did not come to its end has left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// Nothing: its transaction was rolled back.
    Nothing,
    /// The statements that ran: it has no transaction, and is made to be run again.
    Statements,
    /// All or nothing, and nobody said which: the connection was lost, or the server did not answer in time.
    Unknown,
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "was rolled back",
            Self::Statements => "has no transaction (what it did so far stays, and the next run repeats it)",
            Self::Unknown => "may or may not have been rolled back (database-migration status tells)",
        })
    }
}

impl Error {
    /// Whether somebody asked the process to stop.
    #[must_use]
    pub fn is_signal(&self) -> bool {
        matches!(
            self,
            Self::Stopped {
                why: Stop::Signal,
                ..
            }
        )
    }

    /// How a process ends that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Connect(error) if error.is_unreachable() => ExitCode::DatabaseUnreachable,
            Self::Connect(_)
            | Self::NoSuchVersion { .. }
            | Self::NotBack { .. }
            | Self::HoldsRows { .. }
            | Self::OwnRole { .. } => ExitCode::Usage,
            Self::Bad(_) => ExitCode::Unexpected,
            Self::LockHeld { .. } | Self::Blocked { .. } | Self::Held { .. } => ExitCode::LockTimeout,
            Self::Edited { .. } | Self::Unknown { .. } | Self::Gap { .. } | Self::BeyondRepair { .. } => {
                ExitCode::Drift
            }
            Self::Newer { .. } | Self::TooOld { .. } => ExitCode::Incompatible,
            Self::StillPending { .. } => ExitCode::Pending,
            Self::Standby { .. } | Self::ForeignLedger | Self::NoSchema { .. } | Self::RolesLeft { .. } => {
                ExitCode::Prerequisite
            }
            Self::Database { source, .. } | Self::Failed { source, .. } | Self::RoleChange { source, .. } => {
                code_of(source)
            }
            Self::Stopped {
                why: Stop::Signal, ..
            } => ExitCode::Terminated,
            Self::Stopped { .. } => ExitCode::Input,
        }
    }
}

fn code_of(error: &tokio_postgres::Error) -> ExitCode {
    // A standby, a role without the right, a schema that is not there: this command builds on something that is missing.
    let prerequisites = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    match error.code() {
        _ if is_lost(error) => ExitCode::Input,
        Some(code) if prerequisites.contains(code) => ExitCode::Prerequisite,
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => ExitCode::LockTimeout,
        // Disk, memory or connections used up; a file of the server cannot be read or written.
        Some(code) if ["53", "58"].iter().any(|class| code.code().starts_with(class)) => ExitCode::Input,
        _ => ExitCode::Unexpected,
    }
}

/// Whether the connection ended, or the server ended it.
pub(crate) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => ["08", "57P"].iter().any(|class| code.code().starts_with(class)),
        None => error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>()),
    }
}

/// Names what was being done when a statement failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, tokio_postgres::Error> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Database { doing: what, source })
    }
}
