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

use database::pool::Pool;
use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};
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

/// Which server answered.
#[derive(Clone, Copy)]
enum Server {
    Primary,
    Standby,
}

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
            primary: self.primary.apart(),
            standby: standby.map(|(standby, reads)| (standby.clone(), reads.apart())),
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
        let deadline = Instant::now() + self.limit;
        if let Some((standby, reads)) = self.standby_for(id) {
            let found = reads.find(id, STANDBY_LIMIT);
            match spans::database("SELECT orders", found).await {
                Ok(Some(order)) => {
                    self.metrics.answered(Server::Standby);
                    return Ok(Some(order));
                }
                Ok(None) => {}
                Err(problem) => standby.failed(&problem),
            }
        }
        let found = self.primary.find(id, deadline - Instant::now());
        let found = spans::database("SELECT orders", found).await;
        let found = found.map_err(|problem| unavailable(&problem))?;
        self.metrics.answered(Server::Primary);
        Ok(found)
    }

    /// The page, as it was at some moment since this was called.
    ///
    /// # Errors
    /// 503: the cause is logged here.
    pub(crate) async fn page(&self, page: Page) -> Result<Arc<SharedPage>, ApiError> {
        let deadline = Instant::now() + self.limit;
        if let Some((standby, reads)) = page.before.and_then(|before| self.standby_for(before)) {
            let found = pages::find(reads, page, STANDBY_LIMIT);
            match spans::database("SELECT orders", found).await {
                Ok(page) => {
                    self.metrics.answered(Server::Standby);
                    return Ok(page);
                }
                Err(problem) => standby.failed(&problem),
            }
        }
        let found = pages::find(&self.primary, page, deadline - Instant::now());
        let found = spans::database("SELECT orders", found).await;
        let page = found.map_err(|problem| unavailable(&problem))?;
        self.metrics.answered(Server::Primary);
        Ok(page)
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
        let reads = Opts::new(
            "order_reads_total",
            "Reads of orders, by the server that answered",
        );
        let metrics = ReadMetrics {
            reads: IntCounterVec::new(reads, &["server"])?,
            lag: Gauge::new(
                "read_standby_lag_seconds",
                "How far the standby that orders are read from is behind the primary, at most",
            )?,
            in_use: IntGauge::new(
                "read_standby_in_use",
                "Whether orders are read from the standby: 0 while it is away or too far behind",
            )?,
        };
        registry.register(Box::new(metrics.reads.clone()))?;
        metrics.reads.with_label_values(&[Server::Primary.name()]);
        if with_standby {
            metrics.reads.with_label_values(&[Server::Standby.name()]);
            registry.register(Box::new(metrics.lag.clone()))?;
            registry.register(Box::new(metrics.in_use.clone()))?;
        }
        Ok(metrics)
    }

    fn answered(&self, server: Server) {
        self.reads.with_label_values(&[server.name()]).inc();
    }
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Server::Primary => "primary",
            Server::Standby => "standby",
        }
    }
}

/// The time since the id was made; `None` for ids that do not tell it, or that are of the future.
fn age(id: Uuid) -> Option<Duration> {
    let is_timed = id.get_version_num() == 7;
    let (seconds, nanos) = id.get_timestamp().filter(|_| is_timed)?.to_unix();
    let made = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    SystemTime::now().duration_since(made).ok()
}
