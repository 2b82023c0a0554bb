//! What is in force and what the last runs did.

use std::io::{self, Write};
use std::time::Duration;

use database::Database;
use process::exit::{ExitCode, Failure, OrExit as _};

use crate::run;

const VERSIONS: &str = "
    SELECT profile, version, coalesce(source_version::text, '-'),
           to_char(activated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
           (SELECT string_agg(name || ' ' || count, ', ' ORDER BY name) FROM jsonb_each_text(row_counts) AS rows (name, count))
    FROM dataset_versions WHERE state = 'active'
    ORDER BY profile";

/// A run that has shown no life for a minute is lost.
const RUNS: &str = "
    SELECT to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), coalesce(profile, '-'),
           CASE WHEN outcome = 'running' AND heartbeat_at < now() - interval '60 s' THEN 'lost' ELSE outcome END,
           coalesce(version::text, '-'), '+' || rows_added || ' ~' || rows_changed || ' -' || rows_retired, id::text
    FROM bootstrap_runs WHERE task = 'database-load'
    ORDER BY started_at DESC LIMIT 10";

/// Writes the active versions and the last ten runs as two tables.
///
/// # Errors
/// Those of the database and the schema, as for a run; `Input` when `out` cannot be written to.
pub async fn status(
    database: &Database,
    wait_timeout: Duration,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let client = run::connect(database, wait_timeout).await?;
    for (title, head, query) in [
        (
            "Versions in force",
            ["profile", "version", "stated", "since", "rows"].as_slice(),
            VERSIONS,
        ),
        (
            "Last runs",
            &["started", "profile", "outcome", "version", "rows", "run"],
            RUNS,
        ),
    ] {
        let rows = client
            .query(query, &[])
            .await
            .or_exit(ExitCode::Input, "read the status")?;
        let mut table = vec![head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
        for row in rows {
            table.push((0..head.len()).map(|column| cell(&row, column)).collect());
        }
        print(out, title, &table).or_exit(ExitCode::Input, "write the status")?;
    }
    Ok(())
}

fn cell(row: &tokio_postgres::Row, column: usize) -> String {
    let text = row.try_get::<_, Option<String>>(column).ok();
    text.map_or_else(
        || row.get::<_, i64>(column).to_string(),
        Option::unwrap_or_default,
    )
}

fn print(out: &mut impl Write, title: &str, table: &[Vec<String>]) -> io::Result<()> {
    writeln!(out, "{title}")?;
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        table
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or_default())
        .collect();
    for row in table {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "  {}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
