//! Reads of orders: which server answers; single orders in groups; a page once for all that ask for
//! it at the same time.
//!
//! The age of an order is in its id (UUID version 7). A standby has an order of a certain age
//! unless it is further behind than that; what it does not have is looked for on the primary.

mod grouped;
mod pages;
mod settings;
mod standby;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use database::pool::{Pool, ReadError};
use prometheus::{Gauge, IntCounterVec, IntGauge, Registry, register_int_counter_vec_with_registry};
use tokio::time::Instant;
use uuid::Uuid;

use super::Order;
use super::with_lines::Page;
use crate::http::ApiError;
use crate::spans;
use crate::state::unavailable;
use grouped::{Attempts, GroupedReads};
pub(crate) use pages::SharedPage;
pub(crate) use settings::{ENVIRONMENT, Settings};
pub(crate) use standby::Standby;

/// Where orders are read. Cheap to clone; see [`OrderReads::of_thread`].
#[derive(Clone)]
pub(crate) struct OrderReads {
    primary: GroupedReads,
    standby: Option<(Standby, GroupedReads)>,
    /// Limit of a read.
    limit: Duration,
    /// Age from which on an order is looked for on the standby first.
    settled: Duration,
    metrics: ReadMetrics,
}

#[derive(Clone)]
struct ReadMetrics {
    reads: IntCounterVec,
    lag: Gauge,
    in_use: IntGauge,
}

/// The servers, as the metric names them.
const PRIMARY: &str = "primary";
const STANDBY: &str = "standby";
/// Orders younger than this are read from the primary at once, whatever the settings say.
const YOUNG: Duration = Duration::from_secs(10);
/// Limit of a read from the standby.
const STANDBY_LIMIT: Duration = Duration::from_millis(500);

impl OrderReads {
    /// Reads from `primary`, within `limit`, and from `standby`. An order is stored within
    /// `order_deadline`, or not acknowledged.
    ///
    /// # Errors
    /// When the registry holds metrics of these names already.
    pub(crate) fn new(
        primary: &Pool,
        standby: Option<(Standby, Pool)>,
        limit: Duration,
        registry: &Registry,
    ) -> prometheus::Result<OrderReads> {
        let metrics = ReadMetrics::new(standby.is_some(), registry)?;
        // Until the deadline an order of this age may have been stored later than its id says.
        let settled = standby
            .as_ref()
            .map_or(YOUNG, |(standby, _)| YOUNG.max(limit + standby.max_lag()));
        let grouped = |(standby, pool): (Standby, Pool)| {
            (standby, GroupedReads::new(pool, Attempts::One(STANDBY_LIMIT)))
        };
        Ok(OrderReads {
            primary: GroupedReads::new(primary.clone(), Attempts::Thorough(limit / 2)),
            standby: standby.map(grouped),
            limit,
            settled,
            metrics,
        })
    }

    /// The same with queues of its own, for another thread: no request wakes another thread.
    pub(crate) fn of_thread(&self) -> OrderReads {
        let standby = self.standby.as_ref();
        OrderReads {
            primary: self.primary.of_thread(),
            standby: standby.map(|(standby, reads)| (standby.clone(), reads.of_thread())),
            ..self.clone()
        }
    }

    /// Watches the standby, if there is one.
    pub(crate) async fn watch(self) {
        if let Some((standby, reads)) = &self.standby {
            let (primary, of_standby) = (self.primary.pool().clone(), reads.pool().clone());
            standby.clone().watch(primary, of_standby).await;
        }
    }

    /// Sets the metrics that are read at each scrape only.
    pub(crate) fn collect(&self) {
        if let Some((standby, _)) = &self.standby {
            if let Some(lag) = standby.lag() {
                self.metrics.lag.set(lag.as_secs_f64());
            }
            self.metrics.in_use.set(standby.is_usable().into());
        }
    }

    /// The order with this id, of any key.
    ///
    /// # Errors
    /// 503: the cause is logged here.
    pub(crate) async fn order(&self, id: Uuid) -> Result<Option<Arc<Order>>, ApiError> {
        self.read(Some(id), async |reads, limit| reads.find(id, limit).await)
            .await
    }

    /// The page, as it was at some moment since this was called.
    ///
    /// # Errors
    /// 503: the cause is logged here.
    pub(crate) async fn page(&self, page: Page) -> Result<Arc<SharedPage>, ApiError> {
        let find = async |reads: &GroupedReads, limit| pages::find(reads, page, limit).await.map(Some);
        let found = self.read(page.before, find).await?;
        found.ok_or(ApiError::Unavailable)
    }

    /// What `find` finds within a limit: on the standby where that has all orders as old as
    /// `oldest`, and on the primary what is not found there.
    async fn read<T>(
        &self,
        oldest: Option<Uuid>,
        find: impl AsyncFn(&GroupedReads, Duration) -> Result<Option<T>, Arc<ReadError>>,
    ) -> Result<Option<T>, ApiError> {
        let deadline = Instant::now() + self.limit;
        if let Some((standby, reads)) = oldest.and_then(|oldest| self.standby_for(oldest)) {
            match spans::database("SELECT orders", find(reads, STANDBY_LIMIT)).await {
                Ok(Some(found)) => {
                    self.metrics.answered(STANDBY);
                    return Ok(Some(found));
                }
                Ok(None) => {}
                Err(problem) => standby.failed(&problem),
            }
        }
        let found = find(&self.primary, deadline - Instant::now());
        let found = spans::database("SELECT orders", found).await;
        let found = found.map_err(|problem| unavailable(&problem))?;
        self.metrics.answered(PRIMARY);
        Ok(found)
    }

    /// The standby, if it has all orders as old as this one.
    fn standby_for(&self, id: Uuid) -> Option<&(Standby, GroupedReads)> {
        let standby = self.standby.as_ref()?;
        let is_settled = age(id).is_some_and(|age| age >= self.settled);
        (is_settled && standby.0.is_usable()).then_some(standby)
    }
}

impl ReadMetrics {
    fn new(with_standby: bool, registry: &Registry) -> prometheus::Result<ReadMetrics> {
        let metrics = ReadMetrics {
            reads: register_int_counter_vec_with_registry!(
                "order_reads_total",
                "Reads of orders, by the server that answered",
                &["server"],
                registry
            )?,
            lag: Gauge::new(
                "read_standby_lag_seconds",
                "How far the standby that orders are read from is behind the primary, at most",
            )?,
            in_use: IntGauge::new(
                "read_standby_in_use",
                "Whether orders are read from the standby: 0 while it is away or too far behind",
            )?,
        };
        metrics.reads.with_label_values(&[PRIMARY]);
        if with_standby {
            metrics.reads.with_label_values(&[STANDBY]);
            registry.register(Box::new(metrics.lag.clone()))?;
            registry.register(Box::new(metrics.in_use.clone()))?;
        }
        Ok(metrics)
    }

    fn answered(&self, server: &str) {
        self.reads.with_label_values(&[server]).inc();
    }
}

/// The time since the id was made; `None` for ids that do not tell it, or that are of the future.
fn age(id: Uuid) -> Option<Duration> {
    let is_timed = id.get_version_num() == 7;
    let (seconds, nanos) = id.get_timestamp().filter(|_| is_timed)?.to_unix();
    let made = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    SystemTime::now().duration_since(made).ok()
}
