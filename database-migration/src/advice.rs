//! What to do about an error: the sentence that the last line of a log ends with.

use process::failure::ExitCode;

use crate::error::Error;
use crate::limit::Stop;

const END_IT: &str = "run again when it has ended, end it with SELECT pg_terminate_backend(its process), or wait longer (--lock-timeout)";

const ASK_SOMEBODY: &str =
    "run it as a superuser, or as a role with CREATEROLE that owns the database, its schema and its tables";

impl Error {
    /// What the reader of the error may type or look at next.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Connect(error) if error.is_unreachable() => {
                "start the database, correct DATABASE_URL, or wait longer (--wait-timeout)"
            }
            Self::Connect(_) => "correct DATABASE_URL, or whom the server lets in",
            Self::Bad(_) => "use another build",
            Self::NoSuchVersion { .. } | Self::NotBack { .. } => {
                "look at database-migration status and ask for another version"
            }
            Self::HoldsRows { .. } => "save what is needed, then repeat with --allow-destructive",
            Self::LockHeld { .. } | Self::Blocked { .. } | Self::Held { .. } => END_IT,
            Self::Edited { .. } => {
                "put the file back as it was, or accept it as it is: database-migration repair"
            }
            Self::Unknown { .. } => {
                "use the build that wrote this ledger, or another database; only of a file that was renamed: database-migration repair"
            }
            Self::Gap { .. } | Self::BeyondRepair { .. } => {
                "look at database-migration status; bring the ledger back from a backup, or use another database"
            }
            Self::Newer { .. } => "use a newer build",
            Self::TooOld { .. } => "use the build that brought this version",
            Self::StillPending { .. } => "run database-migration up, or wait longer (--wait-timeout)",
            Self::Standby { .. } => "migrate the primary; on a standby: database-migration wait",
            Self::ForeignLedger => "name another database or search_path in DATABASE_URL",
            Self::NoSchema { .. } => "create the schema, or set another search_path",
            Self::OwnRole { .. } => {
                "log in as another role, or give that one another name ([roles] in the settings)"
            }
            Self::RolesLeft { .. } => ASK_SOMEBODY,
            Self::RoleChange { .. } if self.exit_code() == ExitCode::Prerequisite => ASK_SOMEBODY,
            Self::Database { .. } | Self::Failed { .. } | Self::RoleChange { .. } => match self.exit_code() {
                ExitCode::Input => {
                    "see that the database is well, then run again: it goes on where it stopped"
                }
                ExitCode::Prerequisite => "grant what is missing (database-migration roles), then run again",
                ExitCode::LockTimeout => END_IT,
                _ => "correct what the database says, then run again: it goes on where it stopped",
            },
            Self::Stopped {
                why: Stop::Signal, ..
            } => "run again: it goes on where it stopped",
            Self::Stopped { .. } => "run again with a longer --timeout: it goes on where it stopped",
        }
    }
}
