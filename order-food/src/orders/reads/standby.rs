//! A streaming standby: how far behind the primary it is, and whether orders are read from it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use database::pool::Pool;
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Bool, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

/// The standby, as it was last seen. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Standby(Arc<Inner>);

struct Inner {
    max_lag: Duration,
    seen: Mutex<Seen>,
}

/// Until the first look, the standby is not used.
#[derive(Default)]
struct Seen {
    /// The standby has all that was committed on the primary before.
    has_all_before: Option<Instant>,
    /// It is not asked until then, and the next look.
    not_before: Option<Instant>,
    /// Whether a log line said last that orders are read from it.
    in_use: Option<bool>,
}

/// Whether it is a standby, its position in the log, and the cluster that it belongs to.
type ServerRow = (bool, Option<i64>, i64);

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Limit of a look at one server.
const LIMIT: Duration = Duration::from_secs(1);
/// Pause after the standby failed.
const PAUSE: Duration = Duration::from_secs(5);
/// Positions of the primary that are remembered.
const SAMPLES: usize = 512;

const SERVER: &str = "
    SELECT pg_is_in_recovery(),
        (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END
            - '0/0'::pg_lsn)::bigint,
        (SELECT system_identifier FROM pg_control_system())";

impl Standby {
    /// One that is used while it is at most `max_lag` behind.
    pub(crate) fn new(max_lag: Duration) -> Standby {
        let seen = Mutex::default();
        Standby(Arc::new(Inner { max_lag, seen }))
    }

    /// The setting: so far behind it may be.
    pub(super) fn max_lag(&self) -> Duration {
        self.0.max_lag
    }

    /// Whether orders are read from it at this moment.
    pub(super) fn is_usable(&self) -> bool {
        self.with_seen(|seen| seen.is_usable(self.0.max_lag))
    }

    /// How far behind the primary it is at most; `None`: nothing is known yet.
    pub(super) fn lag(&self) -> Option<Duration> {
        self.with_seen(|seen| seen.has_all_before)
            .map(|before| before.elapsed())
    }

    /// A read brought no answer.
    pub(super) fn failed(&self, problem: &(dyn std::error::Error + 'static)) {
        self.with_seen(|seen| {
            seen.not_before = Some(Instant::now() + PAUSE);
            seen.report(false, || process::failure::line(problem));
        });
    }

    /// Looks at both servers once a second.
    ///
    /// The primary's position in the log is remembered with its time: once the standby has replayed
    /// as far, it has all that was committed by then. Neither clocks nor rights matter, and the lag
    /// grows by itself while one of them is silent.
    pub(crate) async fn watch(self, primary: Pool, standby: Pool) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Where the primary was in the write-ahead log, and when.
        let mut samples: VecDeque<(i64, Instant)> = VecDeque::new();
        let mut cluster = None;
        loop {
            looks.tick().await;
            let at = Instant::now();
            if let Ok((false, Some(position), identifier)) = primary.read(LIMIT, server).await {
                samples.push_back((position, at));
                if samples.len() > SAMPLES {
                    samples.pop_front();
                }
                cluster = Some(identifier);
            }
            match standby.read(LIMIT, server).await {
                Ok((true, Some(replayed), identifier)) if cluster == Some(identifier) => {
                    let has = samples.iter().rev().find(|(position, _)| *position <= replayed);
                    self.replayed(has.map(|(_, at)| *at));
                }
                Ok((true, Some(_), _)) if cluster.is_none() => {}
                Ok((true, Some(_), _)) => self.failed(&NotAStandby("is of another cluster")),
                Ok((true, None, _)) => self.failed(&NotAStandby("tells no position")),
                Ok((false, ..)) => self.failed(&NotAStandby("is not a standby")),
                Err(problem) => self.failed(&problem),
            }
        }
    }

    /// It has all that was committed before `before`.
    fn replayed(&self, before: Option<Instant>) {
        self.with_seen(|seen| {
            seen.has_all_before = before.or(seen.has_all_before);
            seen.not_before = seen.not_before.filter(|not_before| *not_before > Instant::now());
            if seen.not_before.is_some() {
                return;
            }
            let lag = seen.has_all_before.map(|before| before.elapsed());
            let max_lag = self.0.max_lag;
            let is_usable = seen.is_usable(max_lag);
            seen.report(is_usable, || match lag {
                Some(lag) => format!(
                    "it is {} ms behind, more than {} s",
                    lag.as_millis(),
                    max_lag.as_secs()
                ),
                None => "how far it is behind is not known yet".to_owned(),
            });
        });
    }

    fn with_seen<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.0.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seen {
    fn is_usable(&self, max_lag: Duration) -> bool {
        self.not_before.is_none()
            && self
                .has_all_before
                .is_some_and(|before| before.elapsed() <= max_lag)
    }

    /// Logs a change.
    fn report(&mut self, in_use: bool, reason: impl FnOnce() -> String) {
        if self.in_use.replace(in_use) == Some(in_use) {
            return;
        }
        match in_use {
            true => info!("orders are read from the standby of READ_DATABASE_URL"),
            false => warn!(
                reason = reason(),
                "orders are read from the primary, not from the standby of READ_DATABASE_URL"
            ),
        }
    }
}

/// The server of READ_DATABASE_URL cannot be what it should be.
#[derive(Debug, thiserror::Error)]
#[error("the server of READ_DATABASE_URL {0}")]
struct NotAStandby(&'static str);

async fn server(connection: &mut AsyncPgConnection) -> QueryResult<ServerRow> {
    sql::<(Bool, Nullable<BigInt>, BigInt)>(SERVER)
        .get_result(connection)
        .await
}
