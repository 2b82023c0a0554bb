//! `operator.bulk`: replays or purges many dead letters for an operator, in pieces.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::pool::Pool;
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use job_queue::operate::{self, DeadLetters};
use job_queue::{Job, JobError, Kind, Outcome, Priority, Run};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::operator_actions::{OperatorAction, record};

/// Acts on dead letters until none is left that existed when it began.
pub(crate) struct OperatorBulk {
    pub(super) pool: Pool,
}

/// What is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BulkAction {
    /// They are queued again.
    Replay,
    /// They are removed for good.
    Purge,
}

/// The payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bulk {
    pub(crate) action: BulkAction,
    /// `None`: of every kind but this job's own.
    pub(crate) kind: Option<String>,
    /// With this reason; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Whose last error contains this text; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// How many there were when somebody asked; `None`: more than are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<i64>,
    /// The key of who asked.
    pub(crate) key_id: Option<Uuid>,
}

impl Bulk {
    /// The name of what is acted on in the record of actions.
    pub(crate) fn target(&self) -> String {
        let filter = [
            ("kind", &self.kind),
            ("reason", &self.reason),
            ("error", &self.error),
        ];
        let named = |(name, value): (&str, &Option<String>)| Some(format!(" {name}:{}", value.as_ref()?));
        match filter.into_iter().filter_map(named).collect::<String>() {
            parts if parts.is_empty() => "dead letters all".to_owned(),
            parts => format!("dead letters{parts}"),
        }
    }
}

impl BulkAction {
    /// The name on pages.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            BulkAction::Replay => "Replay",
            BulkAction::Purge => "Purge",
        }
    }

    /// The name in the record of actions.
    pub(crate) fn name(self) -> &'static str {
        match self {
            BulkAction::Replay => "jobs.replay",
            BulkAction::Purge => "jobs.purge",
        }
    }

    /// The word for it once it is done.
    pub(crate) fn done(self) -> &'static str {
        match self {
            BulkAction::Replay => "replayed",
            BulkAction::Purge => "purged",
        }
    }

    /// Does it to at most 5,000 of them.
    pub(crate) async fn apply(
        self,
        connection: &mut AsyncPgConnection,
        chosen: &DeadLetters,
        before: Option<DateTime<Utc>>,
    ) -> QueryResult<Vec<Value>> {
        match self {
            BulkAction::Replay => operate::replay(connection, chosen, before).await,
            BulkAction::Purge => operate::purge(connection, chosen, before).await,
        }
    }
}

impl Job for OperatorBulk {
    const KIND: Kind =
        Kind::new("operator.bulk", "maintenance", Priority::High).timeout(Duration::from_secs(3_600));
    type Payload = Bulk;

    /// Each piece is a transaction with its record: a run that is stopped keeps what it did, and
    /// the next attempt goes on with the rest.
    async fn run(&self, run: &Run, bulk: Bulk) -> Result<Outcome, JobError> {
        let chosen = DeadLetters::Matching {
            kind: bulk.kind.clone(),
            reason: bulk.reason.clone(),
            error: bulk.error.clone(),
            except: Self::KIND.name,
        };
        let mut changed = 0;
        loop {
            run.check()?;
            let mut connection = self.pool.get().await?;
            // Those that died since it was asked for have died of what they were replayed for.
            let before = operate::time_of(&mut connection, Some(run.id())).await?;
            let piece = piece(&mut connection, &bulk, &chosen, before).await?;
            connection.release();
            changed += piece;
            run.progress(json!({ "changed": changed, "of": bulk.number }));
            if piece == 0 {
                return Ok(Outcome::Done);
            }
        }
    }
}

async fn piece(
    connection: &mut AsyncPgConnection,
    bulk: &Bulk,
    chosen: &DeadLetters,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    connection.batch_execute("BEGIN").await?;
    let changed = bulk.action.apply(connection, chosen, Some(before)).await?;
    if !changed.is_empty() {
        let action = OperatorAction {
            key_id: bulk.key_id,
            after: Some(json!({ "number": changed.len() })),
            ..OperatorAction::new("console", bulk.action.name(), bulk.target())
        };
        record(connection, &action).await?;
    }
    connection.batch_execute("COMMIT").await?;
    Ok(changed.len())
}
