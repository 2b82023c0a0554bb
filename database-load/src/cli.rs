//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use database_load::coupons::Coupons;
use database_load::sources::OnUnreachable;

const EXAMPLES: &str = "\
Example:
  DATABASE_URL=postgres://user:password@localhost:5432/food database-load -p default

Exit status; nothing is changed unless it is 0:
  0 done, or nothing to do          7 the database, or a version's rows, are of a newer build
  1 unexpected error                9 the schema, or the right to use it, is missing
  2 wrong usage, settings, source  10 invalid data, or far fewer rows
  3 database not reachable         11 freshness: checked too long ago
  4 lock timeout                  143 stopped by a signal
  5 verify: rows were changed
  6 input, disk, network failed, or --timeout is over";

/// Brings the shop's data to the version in its sources: whole, or not at all.
///
/// Reads and validates everything first, then publishes it in one transaction. Unchanged sources
/// are not loaded again.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = EXAMPLES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    pub(crate) general: General,
}

#[derive(Debug, Args)]
pub(crate) struct General {
    /// TOML file laid over the defaults; the environment goes over both
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How long to wait for the database and for its schema: seconds, or 90s, 5m, 2h
    #[arg(long, global = true, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) wait_timeout: Duration,
    /// How long to wait for another load of the same data
    #[arg(long, global = true, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    /// How long all of it may take; what was not published by then is rolled back, exit 6
    #[arg(long, global = true, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Work on each database of this TOML file: [[target]] with name, region and url_file; standbys
    /// replay
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) targets: Option<PathBuf>,
    /// Answer with one JSON value on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load what changed (the default).
    #[command(after_help = "Example: database-load run -p default --dry-run")]
    Run(Run),
    /// Say what `run` would do, row by row; writes nothing and locks nothing.
    #[command(after_help = "Example: database-load plan -p default --json")]
    Plan(Load),
    /// Show the active versions and the last runs.
    #[command(after_help = "Example: database-load status --wait-timeout 0")]
    Status,
    /// Show all versions and runs, newest first.
    #[command(after_help = "Example: database-load history -p default --limit 50")]
    History(History),
    /// Compare the rows in the database with the active versions; exit 5 names what differs.
    #[command(after_help = "Example: database-load verify --json")]
    Verify(Profiles),
    /// Bring an earlier version back; automatic runs leave it alone until the sources are new.
    #[command(after_help = "Example: database-load rollback -p default --previous")]
    Rollback(Rollback),
    /// Delete the rows of old versions; never those of the active one, nor of the one before it.
    #[command(after_help = "Example: database-load prune --keep 3")]
    Prune(Prune),
    /// Say how long ago the sources were compared with success; exit 11 if that is too long.
    #[command(after_help = "Example: database-load freshness --max-age 12h")]
    Freshness(Freshness),
    /// Say whether a run has written ALIVE_FILE within 60 s, for a probe; exit 1 if it has not.
    #[command(after_help = "Example: ALIVE_FILE=/tmp/alive database-load alive")]
    Alive,
    /// Work with bulk coupon files; needs no database and no settings.
    #[command(subcommand)]
    Coupons(Coupons),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Only say what would change: the same as `plan`
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Load {
    /// Profile to load: a name in the data folder, or a path; may be repeated. Without it: those of
    /// the settings.
    #[arg(short, long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// Load unchanged or older data too, and data with far fewer rows.
    #[arg(long)]
    pub(crate) force: bool,
    /// What to do when a source cannot be reached: exit 6, or keep what is active and exit 0.
    /// Without it: as set
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_unreachable: Option<OnUnreachable>,
}

#[derive(Debug, Args)]
pub(crate) struct Profiles {
    /// Profile to look at; may be repeated. Without it: all whose data are active
    #[arg(short, long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) of: Profiles,
    /// How many versions and how many runs
    #[arg(long, value_name = "NUMBER", default_value = "20")]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub(crate) struct Rollback {
    /// The profile. Without it: that of the settings, if they name one
    #[arg(short, long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// The version that is to be active; `history` lists them. The active one is restored where its
    /// rows were changed
    #[arg(long, value_name = "VERSION", group = "target")]
    pub(crate) to: Option<i64>,
    /// The newest version before the active one whose data differ
    #[arg(long, group = "target")]
    pub(crate) previous: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    pub(crate) of: Profiles,
    /// How many of the newest versions of each profile are kept
    #[arg(long, value_name = "NUMBER")]
    pub(crate) keep: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Freshness {
    #[command(flatten)]
    pub(crate) of: Profiles,
    /// How long ago the last successful check may be: seconds, or 90m, 12h, 2d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) max_age: Duration,
}

/// A duration of at most 1000 days.
fn duration(text: &str) -> Result<Duration, String> {
    process::duration::within(Duration::ZERO..=Duration::from_hours(24_000))(text)
}

impl Cli {
    /// The command, `run` if none is named; its options may also stand before it. Another command
    /// has none of them.
    pub(crate) fn chosen(self) -> Result<(Command, General), clap::Error> {
        let Cli {
            command,
            run: before,
            general,
        } = self;
        let command = match command {
            None => Command::Run(before),
            Some(Command::Run(mut run)) => {
                let (load, earlier) = (&mut run.load, before.load);
                load.profiles.splice(..0, earlier.profiles);
                load.force |= earlier.force;
                load.on_unreachable = load.on_unreachable.or(earlier.on_unreachable);
                run.dry_run |= before.dry_run;
                Command::Run(run)
            }
            Some(other) if before == Run::default() => other,
            Some(_) => {
                let message = "the options of `run` cannot be used with another command";
                return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
            }
        };
        Ok((command, general))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
