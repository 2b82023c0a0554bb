//! The row of a run in `bootstrap_runs`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use process::failure::{self, ExitCode};
use serde::Deserialize;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, GenericClient};
use uuid::Uuid;

/// Longest message that the record keeps, in characters.
const MESSAGE_LENGTH: usize = 2000;

/// A run that another one has declared lost may still say how it ended; one that has ended well
/// stays as it is. `{version}` is a number or a query; the other places are empty for a table
/// without the column `trigger`.
const WRITE: &str = "
INSERT INTO bootstrap_runs AS run
    (id, task, command, profile, build, host, started_at, finished_at, outcome, exit_code, message, version{column})
SELECT $1, $2, $3, $4, $5, $6, now() - $7 * interval '1 millisecond', CASE WHEN $8 <> 'running' THEN now() END,
    $8, $9, $10, ({version})::bigint{value}
ON CONFLICT (id) DO UPDATE
SET heartbeat_at = now(), finished_at = excluded.finished_at, outcome = excluded.outcome,
    exit_code = excluded.exit_code, message = excluded.message, version = coalesce(excluded.version, run.version){assignment}
WHERE run.outcome IN ('running', 'failed')
";

const FAIL_LOST: &str = "
UPDATE bootstrap_runs
SET outcome = 'failed', exit_code = 1, finished_at = now(), message = $3
WHERE task = $1 AND outcome = 'running' AND ($2::uuid[] IS NULL OR id = ANY ($2))
";

/// A run as its record names it.
#[derive(Clone, Copy, Debug)]
pub struct RunRecord<'a> {
    /// Primary key: UUID version 7, printed in the log.
    pub run_id: Uuid,
    /// The program: `database-migration` or `database-load`.
    pub task: &'static str,
    /// The subcommand.
    pub command: &'static str,
    /// The profile of a load.
    pub profile: Option<&'a str>,
    /// Version of the program.
    pub build: &'a str,
    /// What started the run; none where [`Table::WithoutTrigger`] has no place for it.
    pub trigger: Option<Trigger>,
    /// When the run began; recorded in the time of the database.
    pub started: Instant,
}

/// What started a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A pod: the program is one of its init containers.
    Init,
    /// A CronJob.
    Cronjob,
    /// A Kubernetes Job.
    Job,
    /// Anything else.
    #[default]
    Manual,
}

impl Trigger {
    /// The word for it in `bootstrap_runs`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Cronjob => "cronjob",
            Self::Job => "job",
            Self::Manual => "manual",
        }
    }
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct RunEnd<'a> {
    /// A word that the table's check constraint knows: `changed`, `unchanged`, `failed` …
    pub outcome: &'a str,
    /// Exit code of the process, as far as this run decides it.
    pub exit_code: ExitCode,
    /// The error, or a remark; at most 2000 characters are kept, without NUL.
    pub message: Option<Cow<'a, str>>,
    /// The version that is active afterwards.
    pub version: Version<'a>,
}

/// The version that is active after a run.
#[derive(Clone, Copy, Debug, Default)]
pub enum Version<'a> {
    /// Not known; a version that the record has stays.
    #[default]
    Unknown,
    /// This one.
    Number(i64),
    /// The only value of a query (`SELECT max(version) FROM …`), asked in the same statement.
    Query(&'a str),
}

impl<'a> RunEnd<'a> {
    /// The end of a run that failed: `canceled` when it was stopped by a signal, else `failed`.
    #[must_use]
    pub fn failed(exit_code: ExitCode, message: impl Into<Cow<'a, str>>) -> Self {
        let is_signal = exit_code == ExitCode::Terminated;
        Self {
            outcome: if is_signal { "canceled" } else { "failed" },
            exit_code,
            message: Some(message.into()),
            version: Version::Unknown,
        }
    }
}

impl RunRecord<'_> {
    /// Records that the run goes on.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(
        &self,
        client: &(impl GenericClient + Sync),
        version: Version<'_>,
    ) -> Result<(), Error> {
        self.write(client, "running", None, None, version).await
    }

    /// Records how the run ended; of a run that had not begun this is the only record.
    ///
    /// Waits for a transaction that has changed the row, and changes nothing if that one has
    /// recorded a good end.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end(&self, client: &(impl GenericClient + Sync), end: &RunEnd<'_>) -> Result<(), Error> {
        let code = i16::from(end.exit_code as u8);
        let keep = |message: &str| -> String {
            let text = message.chars().filter(|char| *char != '\0');
            text.take(MESSAGE_LENGTH).collect()
        };
        let message = end.message.as_deref().map(keep);
        self.write(client, end.outcome, Some(code), message, end.version)
            .await
    }

    async fn write(
        &self,
        client: &(impl GenericClient + Sync),
        outcome: &str,
        exit_code: Option<i16>,
        message: Option<String>,
        version: Version<'_>,
    ) -> Result<(), Error> {
        let version = match version {
            Version::Unknown => Cow::Borrowed("NULL"),
            Version::Number(number) => Cow::Owned(number.to_string()),
            Version::Query(query) => Cow::Borrowed(query),
        };
        let elapsed_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let host = process::host_name();
        let parameters: [(&(dyn ToSql + Sync), Type); 10] = [
            (&self.run_id, Type::UUID),
            (&self.task, Type::TEXT),
            (&self.command, Type::TEXT),
            (&self.profile, Type::TEXT),
            (&self.build, Type::TEXT),
            (&host, Type::TEXT),
            (&elapsed_ms, Type::FLOAT8),
            (&outcome, Type::TEXT),
            (&exit_code, Type::INT2),
            (&message, Type::TEXT),
        ];
        let trigger = self.trigger.map(Trigger::name);
        let [column, value, assignment] = match trigger {
            Some(name) => [
                ", trigger".into(),
                format!(", '{name}'"),
                ", trigger = excluded.trigger".into(),
            ],
            None => [const { String::new() }; 3],
        };
        let write = WRITE
            .replace("{version}", &version)
            .replace("{column}", &column)
            .replace("{value}", &value)
            .replace("{assignment}", &assignment);
        client.execute_typed(&write, &parameters).await.map(drop)
    }
}

/// Records that runs of `task` failed because they were lost: all that are running, or those named.
///
/// Call it only while a lock is held that every running one would hold.
///
/// # Errors
/// Those of the database.
pub async fn fail_lost(
    client: &(impl GenericClient + Sync),
    task: &str,
    run_ids: Option<&[Uuid]>,
    message: &str,
) -> Result<(), Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&task, Type::TEXT),
        (&run_ids, Type::UUID_ARRAY),
        (&message, Type::TEXT),
    ];
    client.execute_typed(FAIL_LOST, &parameters).await.map(drop)
}

/// What the schema has of `bootstrap_runs`: one migration makes the table, a later one adds the
/// column `trigger`, and a way back drops both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// No table.
    Absent,
    /// The table without the column `trigger`.
    WithoutTrigger,
    /// The table as this build knows it.
    Complete,
}

impl Table {
    /// Asks the database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(client: &(impl GenericClient + Sync)) -> Result<Table, Error> {
        let query = "SELECT oid IS NOT NULL, EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = oid AND attname = 'trigger' AND NOT attisdropped
        ) FROM to_regclass('bootstrap_runs') AS oid";
        let row = client.query_typed_one(query, &[]).await?;
        Ok(match (row.try_get(0)?, row.try_get(1)?) {
            (false, _) => Table::Absent,
            (true, false) => Table::WithoutTrigger,
            (true, true) => Table::Complete,
        })
    }
}

/// Writes over `client`; when that fails, or is closed, over a new connection.
///
/// # Errors
/// The last problem in one line; also when there is no answer within `limit`.
pub async fn write_or_reconnect<T, E>(
    client: Option<&Client>,
    limit: Duration,
    connect: impl AsyncFnOnce() -> Result<Client, E>,
    write: impl AsyncFn(&Client) -> Result<T, E>,
) -> Result<T, String>
where
    E: std::error::Error + 'static,
{
    let attempts = async {
        if let Some(client) = client.filter(|client| !client.is_closed())
            && let Ok(written) = write(client).await
        {
            return Ok(written);
        }
        write(&connect().await?).await
    };
    match tokio::time::timeout(limit, attempts).await {
        Ok(result) => result.map_err(|error| failure::line(&error)),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs_f64())),
    }
}
