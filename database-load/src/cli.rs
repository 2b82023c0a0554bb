use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

const EXAMPLES: &str = "\
Example:
  DATABASE_URL=postgres://user:password@localhost:5432/food database-load -p default

Exit status; nothing is changed unless it is 0:
  0 done, or nothing to do          6 input, disk or network failed
  1 unexpected error                7 the database is newer and does not allow this build
  2 wrong usage, settings, source   9 the schema, or the right to use it, is missing
  3 database not reachable         10 invalid data, or far fewer rows
  4 lock timeout                  143 stopped by a signal";

/// Brings the shop's data to the version in its sources: whole, or not at all.
///
/// Reads and validates everything first, then publishes it in one transaction. Unchanged sources are not loaded again.
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
    /// Seconds to wait for the database and for its schema.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) wait_timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load what changed (the default).
    #[command(after_help = "Example: database-load run -p default --dry-run")]
    Run(Run),
    /// Show the versions in force and the last runs.
    #[command(after_help = "Example: database-load status --wait-timeout 0")]
    Status,
}

#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Run {
    /// Profile to load: a name in the data folder, or a path; may be repeated. Without it: those of the settings.
    #[arg(short, long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// Load unchanged or older data too, and data with far fewer rows.
    #[arg(long)]
    pub(crate) force: bool,
    /// Validate and count what would change, in a transaction that is rolled back.
    ///
    /// Costs what a load costs but for the commit: it takes the loader's locks and locks the rows that would change, waiting
    /// at most 5 s for each, and uses up a version number.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Seconds to wait for another load of the same data [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    lock_timeout: Option<Duration>,
}

impl Run {
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.lock_timeout.unwrap_or(Duration::from_secs(600))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let most = 24 * 60 * 60;
    let number = text.parse().ok().filter(|seconds| *seconds <= most);
    number
        .map(Duration::from_secs)
        .ok_or_else(|| format!("a whole number of seconds up to {most} is expected"))
}

impl Cli {
    /// The command, `run` if none is named; its options may also stand before it. Another command has none of them.
    pub(crate) fn chosen(self) -> Result<(Command, General), clap::Error> {
        let Cli {
            command,
            run: before,
            general,
        } = self;
        let command = match command {
            None => Command::Run(before),
            Some(Command::Run(mut run)) => {
                run.profiles.splice(..0, before.profiles);
                run.force |= before.force;
                run.dry_run |= before.dry_run;
                run.lock_timeout = run.lock_timeout.or(before.lock_timeout);
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
