//! The record that a run leaves in `bootstrap_runs`.

use std::time::Duration;

use process::exit::ExitCode;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::{debug, warn};

use crate::error::Error;
use crate::migrator::{Done, Migrator};

const RECORD: &str = "
INSERT INTO bootstrap_runs
    (id, task, started_at, heartbeat_at, finished_at, outcome, exit_code, version, message, build, host)
SELECT $1::text::uuid, 'database-migration', now() - $2 * interval '1 millisecond', now(), now(), $3, $4,
    (SELECT coalesce(max(version), 0) FROM schema_migrations), $5, $6, $7
";

/// Records a run if the table is there. A record that cannot be written is logged and fails nothing:
/// the schema is what the run was for.
pub(crate) async fn record(run: &Migrator, client: &Client, took: Duration, result: Result<&Done, &Error>) {
    if let Err(error) = try_record(run, client, took, result).await {
        warn!(error = %process_line(&error), "the run could not be recorded in bootstrap_runs");
    }
}

async fn try_record(
    run: &Migrator,
    client: &Client,
    took: Duration,
    result: Result<&Done, &Error>,
) -> Result<(), tokio_postgres::Error> {
    if client.is_closed() {
        debug!("the run is not recorded: its connection is gone");
        return Ok(());
    }
    let present = client
        .query_typed_one("SELECT to_regclass('bootstrap_runs') IS NOT NULL", &[])
        .await?;
    if !present.try_get::<_, bool>(0)? {
        return Ok(());
    }
    let (outcome, code, message) = match result {
        Ok(done) => (
            "changed",
            ExitCode::Done,
            format!("from version {} to {}", done.before, done.after),
        ),
        Err(error @ Error::Stopped { .. }) => ("canceled", ExitCode::Terminated, error.to_string()),
        Err(error) => ("failed", error.exit_code(), process_line(error)),
    };
    let took_ms = took.as_secs_f64() * 1000.0;
    client
        .execute_typed(
            RECORD,
            &[
                (&run.run_id.to_string(), Type::TEXT),
                (&took_ms, Type::FLOAT8),
                (&outcome, Type::TEXT),
                (&(code as i16), Type::INT2),
                (&message, Type::TEXT),
                (&run.build, Type::TEXT),
                (&host(), Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}

/// The error with its causes in one line.
fn process_line(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The machine's name, which in Kubernetes is the pod's.
fn host() -> String {
    let read = |path| std::fs::read_to_string(path).ok();
    let name = read("/proc/sys/kernel/hostname")
        .or_else(|| read("/etc/hostname"))
        .unwrap_or_default();
    match name.trim() {
        "" => "unknown".into(),
        name => name.to_owned(),
    }
}
