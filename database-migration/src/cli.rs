//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use database_migration::partitions::{AHEAD, Interval, RETAIN_DAYS};

const EXAMPLES: &str = "\
Example:
  DATABASE_URL=postgres://user:password@localhost:5432/food database-migration

Exit status:
  0 done, or nothing to do          6 connection lost, server full, or --timeout is over
  1 unexpected error                7 the database is newer and does not allow this build
  2 wrong usage or settings         8 migrations are pending (status --exit-code, wait, partitions)
  3 database not reachable          9 a standby, a right or schema that is missing, another tool's ledger
  4 lock timeout                  143 stopped by a signal
  5 an applied migration was edited, or the schema by hand (validate)";

/// Brings the database schema to the version this build needs.
#[derive(Debug, Parser)]
#[command(name = "database-migration", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// TOML file laid over the defaults; the environment goes over both
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Wait this long for a database that cannot be reached: seconds, or 90s, 5m, 2h [default: 60s]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub(crate) wait_timeout: Option<Duration>,
    /// Wait this long for another migrator, and in each migration for its locks [default: 60s]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub(crate) lock_timeout: Option<Duration>,
    /// End after this long, whatever is waited for; the migration that runs then is rolled back,
    /// exit 6 [default: 5m]
    #[arg(long, global = true, value_name = "TIME", value_parser = some_time)]
    pub(crate) timeout: Option<Duration>,
    /// Work on each database of this TOML file: [[target]] with name, region and url_file (up,
    /// wait, roles apply); standbys replay
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) targets: Option<PathBuf>,
    /// Write the answer as one JSON object to standard output, and the log as JSON to standard
    /// error
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

const DAY: Duration = Duration::from_secs(crate::settings::MOST_SECONDS);

fn duration(text: &str) -> Result<Duration, String> {
    process::duration::within(Duration::ZERO..=DAY)(text)
}

/// As `duration`, but not none at all.
fn some_time(text: &str) -> Result<Duration, String> {
    process::duration::within(Duration::from_secs(1)..=DAY)(text)
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply what is missing (the default)
    #[command(after_help = "Example:\n  database-migration up --to 3")]
    Up {
        /// Stop after this version instead of the newest
        #[arg(long, value_name = "VERSION")]
        to: Option<i32>,
    },
    /// Revert migrations, the newest first
    ///
    /// Refused when a table or column would be dropped, unless --allow-destructive is given.
    #[command(after_help = "Example:\n  database-migration down --steps 1")]
    Down {
        #[command(flatten)]
        back: Back,
        /// Drop tables and columns
        #[arg(long)]
        allow_destructive: bool,
    },
    /// Say what is applied and what is not
    #[command(after_help = "Example:\n  database-migration status --json --exit-code")]
    Status {
        /// End with 8 when migrations are pending, 5 when one was edited, 7 when the database is
        /// too new
        #[arg(long)]
        exit_code: bool,
    },
    /// Say what `up` would do, or `down` when --to is an older version
    ///
    /// Changes nothing. Of a way back it says which tables and columns would be dropped.
    #[command(after_help = "Example:\n  database-migration plan --sql")]
    Plan {
        /// Plan for this version instead of the newest
        #[arg(long, value_name = "VERSION")]
        to: Option<i32>,
        /// Show the SQL, too
        #[arg(long)]
        sql: bool,
    },
    /// Compare the ledger with the files of this build, and the schema with what these files make
    ///
    /// Changes nothing. Ends with 5 when something differs, and names all of it.
    #[command(after_help = "Example:\n  database-migration validate")]
    Validate,
    /// Accept migrations that were edited, renamed, or applied by another program: writes their
    /// checksums into the ledger
    ///
    /// No SQL file is run. Says what it replaces by what. First see that the schema is what the
    /// edited files make: `validate` does so afterwards.
    #[command(after_help = "Example:\n  database-migration repair && database-migration validate")]
    Repair,
    /// Make the database's roles with their rights, or see whether they are as they should be
    #[command(subcommand, after_help = "Example:\n  database-migration roles check")]
    Roles(Roles),
    /// Make the partitions of orders for the time to come, and take old ones away if asked
    ///
    /// Orders are stored meanwhile. Says each change; a second run changes nothing. `up` makes
    /// partitions, too, and takes none away.
    #[command(after_help = "Example:\n  database-migration partitions --retain 400d --export /backup")]
    Partitions(PartitionOptions),
    /// Say whether a run has written ALIVE_FILE within 60 s, for a probe
    ///
    /// Ends with 1 when it has not. Needs no database.
    #[command(after_help = "Example:\n  ALIVE_FILE=/tmp/alive database-migration alive")]
    Alive,
    /// Wait until the database has the version, for --wait-timeout at most
    #[command(after_help = "Example:\n  database-migration wait --for-version 4 --wait-timeout 300")]
    Wait {
        /// Version to wait for [default: the newest of this build]
        #[arg(long, value_name = "VERSION")]
        for_version: Option<i32>,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PartitionOptions {
    /// How many partitions begin in the future, 2 to 60 [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(i64::from(*AHEAD.start())..=i64::from(*AHEAD.end())))]
    pub(crate) ahead: Option<u32>,
    /// How long a new partition is: month or week [default: month]
    #[arg(long, value_name = "INTERVAL")]
    pub(crate) interval: Option<Interval>,
    /// Detach and drop partitions whose last order is older than this, in whole days; with them the
    /// states and events of their orders [default: none is dropped]
    #[arg(long, value_name = "TIME", value_parser = days)]
    pub(crate) retain: Option<u32>,
    /// Write what is dropped into CSV files in this folder first
    #[arg(long, value_name = "FOLDER")]
    pub(crate) export: Option<PathBuf>,
}

/// `400d`, as days.
fn days(text: &str) -> Result<u32, String> {
    let (least, most) = (*RETAIN_DAYS.start(), *RETAIN_DAYS.end());
    process::duration::within(DAY * least..=DAY * most)(text)
        .ok()
        .and_then(|time| {
            let days = u32::try_from(time.as_secs() / DAY.as_secs()).ok()?;
            (DAY * days == time).then_some(days)
        })
        .ok_or_else(|| format!("whole days from {least}d to {most}d are expected"))
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Roles {
    /// Make the roles, set their passwords, and grant and revoke until everybody has the rights
    /// they should have
    ///
    /// All or nothing; says what it changes. Names and password files are settings: see [roles] in
    /// the configuration. Run it as a superuser, or as the owner of the database with CREATEROLE.
    #[command(
        after_help = "Example:\n  ROLE_APP_PASSWORD_FILE=/run/secrets/app-password database-migration roles apply"
    )]
    Apply,
    /// Say what `apply` would change
    ///
    /// Changes nothing. Ends with 9 when something is missing or too much, and names all of it.
    #[command(after_help = "Example:\n  database-migration roles check --json")]
    Check,
}

impl Command {
    /// Whether `--targets` can do it: what a standby replays, or has to wait for.
    pub(crate) fn goes_to_targets(&self) -> bool {
        matches!(
            self,
            Self::Up { .. } | Self::Wait { .. } | Self::Roles(Roles::Apply)
        )
    }
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Back {
    /// How many migrations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// The version to go back to; 0 takes back everything
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) to: Option<i32>,
}

impl From<Back> for database_migration::Back {
    fn from(back: Back) -> Self {
        let to = Self::To(back.to.unwrap_or_default());
        back.steps.map_or(to, Self::Steps)
    }
}
