//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Example:
  DATABASE_URL=postgres://user:password@localhost:5432/food database-migration

Exit status:
  0 done, or nothing to do          6 connection lost, or the server's disk or memory is full
  1 unexpected error                7 the database is newer and does not allow this build
  2 wrong usage or settings         8 migrations are pending (status --exit-code, wait)
  3 database not reachable          9 a standby, a right or schema that is missing, another tool's ledger
  4 lock timeout                  143 stopped by a signal
  5 an applied migration was edited";

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
    /// Wait this long for a database that cannot be reached [default: 60]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) wait_timeout: Option<u64>,
    /// Wait this long for another migrator, and in each migration for its locks [default: 60]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) lock_timeout: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply what is missing (the default)
    #[command(after_help = "Example:\n  database-migration up --to 3")]
    Up {
        /// Stop after this version instead of the newest
        #[arg(long, value_name = "VERSION")]
        to: Option<i32>,
    },
    /// Take migrations back, the newest first, with all they hold
    #[command(after_help = "Example:\n  database-migration down --steps 1")]
    Down(Back),
    /// Say what is applied and what is not
    #[command(after_help = "Example:\n  database-migration status --json --exit-code")]
    Status {
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
        /// End with 8 when migrations are pending, 5 when one was edited, 7 when the database is too new
        #[arg(long)]
        exit_code: bool,
    },
    /// Wait until the database has the version, for --wait-timeout at most
    #[command(after_help = "Example:\n  database-migration wait --for-version 4 --wait-timeout 300")]
    Wait {
        /// Version to wait for [default: the newest of this build]
        #[arg(long, value_name = "VERSION")]
        for_version: Option<i32>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Back {
    /// How many migrations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// The version to go back to; 0 takes back everything
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) to: Option<i32>,
}
