use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Brings the shop's data to the version in its sources: whole, or not at all.
///
/// Reads and validates everything first, then publishes it in one transaction. Unchanged sources are not loaded again.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example: DATABASE_URL=postgres://localhost/shop database-load -p default\n\n\
                  Exit codes: 0 done or nothing to do · 2 usage, settings, missing source · 3 database unreachable · \
                  4 another load goes on · 6 input or network failed · 7 newer schema · 9 schema missing · \
                  10 invalid data · 143 stopped. Nothing is changed unless it is 0."
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
    /// Settings file (TOML), laid over the defaults.
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

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Profile to load: a name in the data folder, or a path; may be repeated. Without it: those of the settings.
    #[arg(short, long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// Load unchanged or older data too, and data with far fewer rows.
    #[arg(long)]
    pub(crate) force: bool,
    /// Validate and count what would change; write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Seconds to wait for another load of the same data.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub(crate) lock_timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let most = 24 * 60 * 60;
    let number = text.parse().ok().filter(|seconds| *seconds <= most);
    number
        .map(Duration::from_secs)
        .ok_or_else(|| format!("a whole number of seconds up to {most} is expected"))
}

impl Cli {
    /// The command, `run` if none is named; its options may also stand before it.
    pub(crate) fn command(self) -> (Command, General) {
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
                Command::Run(run)
            }
            Some(other) => other,
        };
        (command, general)
    }
}
