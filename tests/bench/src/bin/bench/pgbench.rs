//! PostgreSQL alone: pgbench with one prepared statement per transaction.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::figures::Run;

/// Two integers and a key, nothing to check, one index.
pub(crate) const TABLE: &str =
    "CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer, b integer)";

/// An INSERT of one row.
pub(crate) const INSERT: &str = "\\set a random(1, 1000000)\nINSERT INTO bare (a, b) VALUES (:a, :a);\n";

/// Rows that are changed where their state allows it, and the changes.
pub(crate) const GUARDED_TABLES: &str = "
    CREATE TABLE guarded (id integer PRIMARY KEY, status text NOT NULL, version integer NOT NULL) WITH (fillfactor = 70);
    INSERT INTO guarded SELECT n, 'placed', 1 FROM generate_series(1, 1000000) AS n;
    CREATE TABLE guarded_events (
        id integer, version integer, status text NOT NULL, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, version))";

/// A change of a state with its event.
pub(crate) const GUARDED: &str = "\\set id random(1, 1000000)
WITH changed AS (UPDATE guarded SET status = 'accepted', version = version + 1 \
WHERE id = :id AND status IN ('placed', 'accepted') RETURNING id, version) \
INSERT INTO guarded_events (id, version, status) SELECT id, version, 'accepted' FROM changed;
";

/// Runs the script over `clients` for `seconds`.
///
/// The latencies of a single client come from pgbench's log of each transaction; with more clients
/// the log would slow them down, and there are no latencies.
pub(crate) fn run(
    programs: &Path,
    url: &str,
    commands: &str,
    (clients, seconds): (u64, u64),
) -> anyhow::Result<Run> {
    let logs = std::env::temp_dir().join("order-food-pgbench");
    let _ = std::fs::remove_dir_all(&logs);
    std::fs::create_dir(&logs)?;
    let script = logs.join("commands.sql");
    std::fs::write(&script, commands)?;
    let output = Command::new(programs.join("pgbench"))
        .args(["-n", "-M", "prepared"])
        .args(["-c", &clients.to_string(), "-j", &clients.min(2).to_string()])
        .args(["-T", &seconds.to_string()])
        .args(if clients == 1 {
            &["-l", "--log-prefix", "log"][..]
        } else {
            &[]
        })
        .arg("-f")
        .arg(&script)
        .arg(url)
        .env("LC_ALL", "C")
        .current_dir(&logs)
        .output()
        .with_context(|| {
            let programs = programs.display();
            format!("run pgbench, which is to be beside PostgreSQL's server programs in {programs}")
        })?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "pgbench: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rate: f64 = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))
        .and_then(|rest| rest.split(' ').next())
        .context("pgbench printed no tps")?
        .parse()?;
    let latencies = latencies(&logs)?;
    std::fs::remove_dir_all(&logs)?;
    Ok(Run {
        accepted: (rate * seconds as f64) as u64,
        ..Run::of(rate, latencies)
    })
}

/// Milliseconds of each transaction.
fn latencies(folder: &Path) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("log") {
            continue;
        }
        for line in std::fs::read_to_string(entry.path())?.lines() {
            // client, transaction, microseconds, …
            let micros: f64 = line
                .split(' ')
                .nth(2)
                .context("a line of pgbench's log")?
                .parse()?;
            latencies.push(micros / 1e3);
        }
    }
    Ok(latencies)
}
