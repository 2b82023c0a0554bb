//! The errors of a run, with the exit code and a hint for each.

use std::fmt;
use std::time::Duration;

use database::ConnectError;
use one_shot::{StopReason, exit_code};
use process::failure::ExitCode;
use process::panics::Panicked;

use crate::data_loss::{self, DataLoss};
use crate::roles::Role;
use crate::source::BadMigration;

/// Why the migrator did not do what it was asked.
///
/// Whatever it is, the migrations that were done before it stay as they are.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message above a variant says what its fields are")]
pub enum Error {
    /// Exit 3, or 2 when the server refuses us: no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Exit 1: a fault of this program.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// Exit 1: a migration of this build is not as it has to be.
    #[error(transparent)]
    Bad(#[from] BadMigration),
    /// Exit 2: a version was asked for that this build does not have.
    #[error("there is no version {asked}: this build has the versions 0 to {newest}")]
    NoSuchVersion { asked: i32, newest: i32 },
    /// Exit 2: more steps back than there are, or a step forward.
    #[error("cannot go back to version {asked}: the database is at version {version}")]
    NotBack { asked: i64, version: i32 },
    /// Exit 2: reverting would drop tables or columns, without `--allow-destructive`.
    #[error(
        "going back to version {to} would drop {}; nothing was changed",
        data_loss::list(losses)
    )]
    Destructive { to: i32, losses: Vec<DataLoss> },
    /// Exit 4: another session held the migration lock all the time.
    #[error("the migration lock is held by {holder}; gave up after {} s", waited.as_secs())]
    LockHeld { holder: String, waited: Duration },
    /// Exit 4: other sessions held locks on the tables that a migration changes.
    #[error("{file} did not get its locks in {}; {blockers}", count(*attempts, "attempt"))]
    Blocked {
        file: String,
        attempts: usize,
        blockers: String,
    },
    /// Exit 4: a statement on the ledger was not answered in time.
    #[error("could not {doing} within {} s; in the way: {holders}; nothing was changed", waited.as_secs())]
    Held {
        doing: &'static str,
        holders: String,
        waited: Duration,
    },
    /// Exit 5: an applied migration was edited since.
    #[error(
        "{file} was edited after it was applied: SHA-256 {applied} was applied, this build has {embedded}"
    )]
    Edited {
        file: String,
        applied: String,
        embedded: String,
    },
    /// Exit 5: the ledger has a migration that this build should know and does not.
    #[error("the ledger has migration {version} ({name}), which this build does not have")]
    Unknown { version: i32, name: String },
    /// Exit 5 of `validate`: another program applied a migration, so its files are not known.
    #[error("{migration} was applied by another program, such as the diesel CLI: unverified")]
    Unverified { migration: String },
    /// Exit 5: a migration was left out although later ones were applied.
    #[error("{file} was never applied although the database is at version {version}")]
    Gap { file: String, version: i32 },
    /// Exit 5: no file of this build fits the ledger; `repair` changes nothing.
    #[error("the ledger cannot be repaired: {problem}; nothing was changed")]
    BeyondRepair { problem: String },
    /// Exit 7: the schema no longer allows this build.
    #[error(
        "the database is at version {version} and needs a build of version {min_compatible} or later; \
         this build has {newest}"
    )]
    Newer {
        version: i32,
        min_compatible: i32,
        newest: i32,
    },
    /// Exit 7: this build cannot take back or judge what it does not know.
    #[error(
        "the database is at version {version}: only a build that has it can {doing}; this build has {newest}"
    )]
    TooOld {
        doing: &'static str,
        version: i32,
        newest: i32,
    },
    /// Exit 8: the schema did not reach the version within the wait timeout.
    #[error("the database is still at version {version}, not at {asked}, after {} s", waited.as_secs())]
    StillPending {
        version: i32,
        asked: i32,
        waited: Duration,
    },
    /// Exit 8: the migration that divides the tables was not applied yet.
    #[error("orders is not partitioned yet; nothing was changed")]
    NotPartitioned,
    /// Exit 6: old orders could not be exported, so they were not dropped.
    #[error("could not write {file}; what was not exported stays")]
    Export {
        file: String,
        #[source]
        source: std::io::Error,
    },
    /// Exit 9: the server is a standby.
    #[error("{database} is a standby, which takes no changes; nothing was changed")]
    Standby { database: String },
    /// Exit 2: `roles apply` runs as one of the roles that it makes.
    #[error(
        "roles.{role} names the role that this session acts as: another one has to make the roles; nothing was changed"
    )]
    OwnRole { role: Role },
    /// Exit 1, 6 or 9: the roles could not be made as they should be.
    #[error("could not {todo}; nothing was changed")]
    RoleChange {
        todo: String,
        #[source]
        source: tokio_postgres::Error,
    },
    /// Exit 9: the session's role lacks a right for what is left to do.
    #[error("{operator} could not {left}; nothing was changed")]
    RolesLeft { operator: String, left: String },
    /// Exit 9: a table with the ledger's name belongs to another project or tool.
    #[error(
        "the ledger of another project or tool is here (__diesel_schema_migrations or schema_migrations): use another schema or database"
    )]
    ForeignLedger,
    /// Exit 9: new tables would belong to no schema.
    #[error(
        "search_path ({search_path}) names no schema that exists, so there is none for the tables; nothing was changed"
    )]
    NoSchema { search_path: String },
    /// Exit 1, 6 or 9: a statement before the first migration failed.
    #[error("could not {doing}; nothing was changed")]
    Database {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    /// Exit 1, 6 or 9: a migration failed.
    #[error("{file} failed; it {effect}, and what was done before it stays")]
    Failed {
        file: String,
        effect: PartialEffect,
        #[source]
        source: tokio_postgres::Error,
    },
    /// Exit 143: SIGTERM or SIGINT. Exit 6: `--timeout`.
    #[error("{why}{}", during.as_ref().map(|(file, effect)| format!(" during {file}, which {effect}")).unwrap_or_default())]
    Stopped {
        why: StopReason,
        during: Option<(String, PartialEffect)>,
    },
}

/// `1 attempt`, `2 attempts`
pub(crate) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// The effect of a migration that did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialEffect {
    /// Nothing: its transaction was rolled back.
    Nothing,
    /// The statements that ran: it has no transaction, and is made to be run again.
    Statements,
    /// All or nothing, and not known which: the connection was lost, or the server did not answer
    /// in time.
    Unknown,
}

impl fmt::Display for PartialEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "was rolled back",
            Self::Statements => "has no transaction (what it did so far stays, and the next run repeats it)",
            Self::Unknown => "may or may not have been rolled back (database-migration status tells)",
        })
    }
}

const BLOCKED: &str = "run again when it has ended, end it with SELECT pg_terminate_backend(its process), or wait longer (--lock-timeout)";

const NOT_ALLOWED: &str =
    "run it as a superuser, or as a role with CREATEROLE that owns the database, its schema and its tables";

impl Error {
    /// Whether SIGTERM or SIGINT ended the run.
    #[must_use]
    pub fn is_signal(&self) -> bool {
        self.exit_code() == ExitCode::Terminated
    }

    /// The next thing to type or to look at: the end of the last log line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect(error) if error.is_unreachable() => {
                "start the database, correct DATABASE_URL, or wait longer (--wait-timeout)"
            }
            Self::Connect(ConnectError::Pooled { .. } | ConnectError::Encoding { .. }) => {
                "as the message says, then run it again"
            }
            Self::Connect(ConnectError::NoToken { .. }) => "see Managed identities in docs/DATABASE_URLS.md",
            Self::Connect(_) => "correct DATABASE_URL, or the server's pg_hba.conf",
            Self::Bad(_) | Self::Panicked(_) => "use another build",
            Self::NoSuchVersion { .. } | Self::NotBack { .. } => {
                "look at database-migration status and ask for another version"
            }
            Self::Destructive { .. } => "save what is needed, then repeat with --allow-destructive",
            Self::LockHeld { .. } | Self::Blocked { .. } | Self::Held { .. } => BLOCKED,
            Self::Edited { .. } => {
                "put the file back as it was, or accept it as it is: database-migration repair"
            }
            Self::Unverified { .. } => {
                "accept it as this build's: database-migration repair, then validate compares the schema"
            }
            Self::Unknown { .. } => {
                "use the build that wrote this ledger, or another database; only of a file that was renamed: database-migration repair"
            }
            Self::Gap { .. } | Self::BeyondRepair { .. } => {
                "look at database-migration status; bring the ledger back from a backup, or use another database"
            }
            Self::Newer { .. } => "use a newer build",
            Self::TooOld { .. } => "use the build that brought this version",
            Self::NotPartitioned => "run database-migration up",
            Self::Export { .. } => {
                "see to the folder (--export), then run again: it goes on where it stopped"
            }
            Self::StillPending { .. } => "run database-migration up, or wait longer (--wait-timeout)",
            Self::Standby { .. } => "migrate the primary; on a standby: database-migration wait",
            Self::ForeignLedger => "name another database or search_path in DATABASE_URL",
            Self::NoSchema { .. } => "create the schema, or set another search_path",
            Self::OwnRole { .. } => {
                "log in as another role, or give that one another name ([roles] in the settings)"
            }
            Self::RolesLeft { .. } => NOT_ALLOWED,
            Self::RoleChange { .. } if self.exit_code() == ExitCode::Prerequisite => NOT_ALLOWED,
            Self::Database { .. } | Self::Failed { .. } | Self::RoleChange { .. } => match self.exit_code() {
                ExitCode::Input => {
                    "see that the database is well, then run again: it goes on where it stopped"
                }
                ExitCode::Prerequisite => "grant what is missing (database-migration roles), then run again",
                ExitCode::LockTimeout => BLOCKED,
                _ => "correct what the database says, then run again: it goes on where it stopped",
            },
            Self::Stopped { .. } if self.is_signal() => "run again: it goes on where it stopped",
            Self::Stopped { .. } => "run again with a longer --timeout: it goes on where it stopped",
        }
    }

    /// How a process ends that fails with this.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Connect(error) => exit_code::of_connect(error),
            Self::NoSuchVersion { .. }
            | Self::NotBack { .. }
            | Self::Destructive { .. }
            | Self::OwnRole { .. } => ExitCode::Usage,
            Self::Bad(_) | Self::Panicked(_) => ExitCode::Unexpected,
            Self::LockHeld { .. } | Self::Blocked { .. } | Self::Held { .. } => ExitCode::LockTimeout,
            Self::Edited { .. }
            | Self::Unknown { .. }
            | Self::Unverified { .. }
            | Self::Gap { .. }
            | Self::BeyondRepair { .. } => ExitCode::Drift,
            Self::Newer { .. } | Self::TooOld { .. } => ExitCode::Incompatible,
            Self::StillPending { .. } | Self::NotPartitioned => ExitCode::Pending,
            Self::Export { .. } => ExitCode::Input,
            Self::Standby { .. } | Self::ForeignLedger | Self::NoSchema { .. } | Self::RolesLeft { .. } => {
                ExitCode::Prerequisite
            }
            Self::Database { source, .. } | Self::Failed { source, .. } | Self::RoleChange { source, .. } => {
                exit_code::of_statement(source)
            }
            Self::Stopped { why, .. } => why.exit_code(),
        }
    }

    /// The error of the statement that failed.
    pub(crate) fn statement(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Database { source, .. } | Self::Failed { source, .. } | Self::RoleChange { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }

    /// The same, with the effect of the migration that failed.
    pub(crate) fn with_effect(mut self, now: PartialEffect) -> Self {
        if let Self::Failed { effect, .. } = &mut self {
            *effect = now;
        }
        self
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
