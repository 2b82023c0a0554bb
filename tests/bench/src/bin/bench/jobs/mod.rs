//! `make bench-migration` and `make bench-load`: wall time of a job's process, many runs of each
//! case.

pub(crate) mod load;
pub(crate) mod migration;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use crate::sql::Sql;
use test_support::OwnCluster;

/// Measures a job on a PostgreSQL of its own with default durability.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of PostgreSQL's programs
    #[arg(long)]
    programs: PathBuf,
    /// Folder of database-load's data
    #[arg(long, default_value = "database-load/data")]
    data: PathBuf,
    /// Folder for load.json
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Runs of each case
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=9999))]
    runs: u16,
}

/// A server and the programs to run on it.
struct Bench {
    cluster: OwnCluster,
    admin: Sql,
    binaries: PathBuf,
    /// The versions of the job and of the server, and the number of processors.
    about: [String; 3],
}

impl Bench {
    fn start(arguments: &Arguments, job: &str) -> anyhow::Result<Bench> {
        let cluster = OwnCluster::start_in(&std::env::temp_dir(), "max_connections = 300\n");
        let program = std::env::current_exe()?;
        let binaries = program.parent().context("a folder of programs")?.to_owned();
        let processors = std::thread::available_parallelism()?.to_string();
        let about = [
            version(&binaries.join(job))?,
            version(&arguments.programs.join("postgres"))?,
            processors,
        ];
        let admin = Sql::connect(&cluster.url())?;
        Ok(Bench {
            cluster,
            admin,
            binaries,
            about,
        })
    }

    /// What a program wrote to standard output, and its wall time. The caller's environment does
    /// not reach it.
    fn run(&self, program: &str, database: &str, arguments: &[&str]) -> anyhow::Result<(String, Duration)> {
        let mut command = Command::new(self.binaries.join(program));
        command
            .args(arguments)
            .env_clear()
            .env("JAEGER_ENDPOINT", "none")
            .env("DATABASE_URL", self.cluster.database_url(database));
        let start = Instant::now();
        let output = command.output().with_context(|| format!("run {program}"))?;
        let took = start.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{program} {}: {said}",
            arguments.join(" ")
        );
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took))
    }

    /// Prints the title of the table.
    fn title(&self) -> anyhow::Result<()> {
        let [job, server, processors] = &self.about;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "\n{job} on {server}, durability as by default, {processors} processors\n"
        )?;
        writeln!(
            out,
            "{:<42} {:>5} {:>9} {:>9} {:>9} {:>10}  met",
            "wall time in ms", "runs", "least", "median", "most", "wanted"
        )?;
        Ok(())
    }
}

/// A line of the table.
#[derive(Serialize)]
struct Row {
    runs: usize,
    least_ms: f64,
    median_ms: f64,
    most_ms: f64,
    wanted_ms: u32,
    met: bool,
}

/// Runs a case `runs` times and prints its line.
fn case(
    title: &str,
    wanted_ms: u32,
    runs: u16,
    mut run: impl FnMut(u16) -> anyhow::Result<Duration>,
) -> anyhow::Result<Row> {
    let mut took = Vec::new();
    for number in 1..=runs {
        took.push((run(number)?.as_secs_f64() * 10_000.0).round() / 10.0);
    }
    took.sort_by(f64::total_cmp);
    let at = |place: usize| took.get(place).copied().context("at least one run");
    let (middle, last) = (took.len() / 2, took.len() - 1);
    let median_ms = f64::midpoint(at(last - middle)?, at(middle)?);
    let met = median_ms < f64::from(wanted_ms);
    let row = Row {
        runs: took.len(),
        least_ms: at(0)?,
        median_ms,
        most_ms: at(last)?,
        wanted_ms,
        met,
    };
    writeln!(
        std::io::stdout().lock(),
        "{title:<42} {:>5} {:>9.1} {:>9.1} {:>9.1} {:>10}  {}",
        row.runs,
        row.least_ms,
        row.median_ms,
        row.most_ms,
        format!("< {wanted_ms}"),
        if met { "yes" } else { "NO" }
    )?;
    Ok(row)
}

fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("run {}", program.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
