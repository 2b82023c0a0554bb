//! The record that a run leaves in `bootstrap_runs`.

use std::time::Duration;

use process::exit::{self, ExitCode};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::{debug, warn};

use crate::error::Error;
use crate::execute::Direction;
use crate::migrator::{Done, Migrator};

const RECORD: &str = "
INSERT INTO bootstrap_runs
    (id, task, command, started_at, heartbeat_at, finished_at, outcome, exit_code, version, message, build, host)
SELECT $1::text::uuid, 'database-migration', $2, now() - $3 * interval '1 millisecond', now(), now(), $4, $5,
    (SELECT coalesce(max(version), 0) FROM schema_migrations), $6, $7, $8
";

/// How long writing the record may take, and how long when the process is to stop: somebody may hold the tables.
const LIMITS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(1));

/// Records a run if the table is there. A record that cannot be written is logged and fails nothing:
/// the schema is what the run was for.
pub(crate) async fn record(
    run: &Migrator,
    client: &Client,
    direction: Direction,
    took: Duration,
    result: Result<&Done, &Error>,
) {
    let limit = if matches!(result, Err(Error::Stopped { .. })) {
        LIMITS.1
    } else {
        LIMITS.0
    };
    let problem = match timeout(limit, try_record(run, client, direction, took, result)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => exit::line(&error),
        Err(_) => format!("no answer within {} s", limit.as_secs()),
    };
    warn!(error = %problem, "the run could not be recorded in bootstrap_runs");
}

async fn try_record(
    run: &Migrator,
    client: &Client,
    direction: Direction,
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
        Err(error) => ("failed", error.exit_code(), exit::line(error)),
    };
    let command = match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let took_ms = took.as_secs_f64() * 1000.0;
    client
        .execute_typed(
            RECORD,
            &[
                (&run.run_id.to_string(), Type::TEXT),
                (&command, Type::TEXT),
                (&took_ms, Type::FLOAT8),
                (&outcome, Type::TEXT),
                (&(code as i16), Type::INT2),
                (&message, Type::TEXT),
                (&run.build, Type::TEXT),
                (&process::host_name(), Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}
