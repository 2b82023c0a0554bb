//! The record that a run leaves in `bootstrap_runs`.

use std::time::Duration;

use process::failure::{self, ExitCode};
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};
use tracing::warn;

use crate::error::{Error, is_lost};
use crate::run::Run;

/// The migration lock is held: whoever is still said to be running is not.
const FORGET_LOST: &str = "
UPDATE bootstrap_runs
SET outcome = 'failed', exit_code = 1, finished_at = now(),
    message = 'the run was lost: its process ended without a word'
WHERE task = 'database-migration' AND outcome = 'running'
";

const BEGIN: &str = "
INSERT INTO bootstrap_runs (id, task, command, started_at, version, build, host)
SELECT $1::text::uuid, 'database-migration', $2, now() - $3 * interval '1 millisecond',
    (SELECT coalesce(max(version), 0) FROM schema_migrations), $4, $5
";

const FINISH: &str = "
INSERT INTO bootstrap_runs
    (id, task, command, started_at, heartbeat_at, finished_at, outcome, exit_code, version, message, build, host)
SELECT $1::text::uuid, 'database-migration', $2, now() - $3 * interval '1 millisecond', now(), now(), $4, $5,
    (SELECT coalesce(max(version), 0) FROM schema_migrations), $6, $7, $8
ON CONFLICT (id) DO UPDATE
SET heartbeat_at = now(), finished_at = now(), outcome = excluded.outcome, exit_code = excluded.exit_code,
    version = excluded.version, message = excluded.message
";

/// How long writing the record may take, and how long when the process is to stop: somebody may hold the tables.
const LIMITS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(1));

/// A run has something to do and begins. Call with the migration lock held.
///
/// A record that cannot be written is logged and fails nothing: the schema is what the run is for.
pub(crate) async fn begin(run: &Run<'_>, client: &mut Client) {
    match timeout(LIMITS.0, try_begin(run, client)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn_of(&failure::line(&error)),
        Err(_) => warn_of("no answer in time"),
    }
}

async fn try_begin(run: &Run<'_>, client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL lock_timeout = '1s'").await?;
    if !is_present(&transaction).await? {
        return Ok(());
    }
    transaction.execute_typed(FORGET_LOST, &[]).await?;
    transaction
        .execute_typed(
            BEGIN,
            &[
                (&run.migrator.run_id.to_string(), Type::TEXT),
                (&run.command, Type::TEXT),
                (&run.took_ms(), Type::FLOAT8),
                (&run.migrator.build, Type::TEXT),
                (&process::host_name(), Type::TEXT),
            ],
        )
        .await?;
    transaction.commit().await
}

/// A run has ended; `Ok` says what it did. Of a run that had not begun this is the only record.
///
/// When the connection no longer works, another one is tried.
pub(crate) async fn finish(run: &Run<'_>, client: &Client, result: Result<String, &Error>) {
    let end = End::of(result);
    let limit = if end.code == ExitCode::Terminated {
        LIMITS.1
    } else {
        LIMITS.0
    };
    let record = async {
        match try_finish(run, client, &end).await {
            Err(error) if is_lost(&error) => {}
            result => return result.map_err(|error| failure::line(&error)),
        }
        let client = run.migrator.database.connect().await;
        let client = client.map_err(|error| failure::line(&error))?;
        let finished = try_finish(run, &client, &end).await;
        finished.map_err(|error| failure::line(&error))
    };
    match timeout(limit, record).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => warn_of(&problem),
        Err(_) => warn_of(&format!("no answer within {} s", limit.as_secs())),
    }
}

/// How a run ended.
struct End {
    outcome: &'static str,
    code: ExitCode,
    message: String,
}

impl End {
    fn of(result: Result<String, &Error>) -> Self {
        let (outcome, code, message) = match result {
            Ok(message) => ("changed", ExitCode::Done, message),
            Err(error) if error.is_signal() => ("canceled", error.exit_code(), failure::line(error)),
            Err(error) => ("failed", error.exit_code(), failure::line(error)),
        };
        Self {
            outcome,
            code,
            message,
        }
    }
}

async fn try_finish(run: &Run<'_>, client: &Client, end: &End) -> Result<(), tokio_postgres::Error> {
    if !is_present(client).await? {
        return Ok(());
    }
    client
        .execute_typed(
            FINISH,
            &[
                (&run.migrator.run_id.to_string(), Type::TEXT),
                (&run.command, Type::TEXT),
                (&run.took_ms(), Type::FLOAT8),
                (&end.outcome, Type::TEXT),
                (&(end.code as i16), Type::INT2),
                (&end.message, Type::TEXT),
                (&run.migrator.build, Type::TEXT),
                (&process::host_name(), Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}

/// The table comes with one of the first migrations, and goes with it.
async fn is_present(client: &(impl GenericClient + Sync)) -> Result<bool, tokio_postgres::Error> {
    client
        .query_typed_one("SELECT to_regclass('bootstrap_runs') IS NOT NULL", &[])
        .await?
        .try_get(0)
}

fn warn_of(problem: &str) {
    warn!(error = problem, "the run could not be recorded in bootstrap_runs");
}
