//! The state that the handlers share.

use std::sync::Arc;
use std::time::Duration;

use database::pool::Pool;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use job_queue::Queue;
use objects::Store;

use crate::auth::Authenticator;
use crate::health::Readiness;
use crate::http::ApiError;
use crate::live::{EventStreams, Live};
use crate::metrics::ShopMetrics;
use crate::orders::status::StatusChanges;
use crate::orders::{Cells, OrderReads, OrderStore, ReadyIn};
use crate::rate_limit::Limits;
use crate::reference_data::SnapshotHandle;
use crate::spans;

/// Built by `application`, read by handlers. Cheap to clone: each thread of the server has its own,
/// to avoid contended reference counts.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) snapshots: SnapshotHandle,
    pub(crate) authenticator: Authenticator,
    pub(crate) limits: Arc<Limits>,
    pub(crate) readiness: Readiness,
    pub(crate) pool: Pool,
    pub(crate) orders: Arc<OrderStore>,
    pub(crate) cells: Arc<Cells>,
    /// Reads of orders that may be answered by a standby.
    pub(crate) reads: OrderReads,
    pub(crate) changes: StatusChanges,
    pub(crate) queue: Queue,
    pub(crate) live: Live,
    pub(crate) streams: EventStreams,
    pub(crate) metrics: ShopMetrics,
    /// `None`: exports are refused.
    pub(crate) exports: Option<Store>,
    pub(crate) report_time_zone: Arc<str>,
    pub(crate) order_deadline: Duration,
    /// Age from which on an order is not listed as placed any more.
    pub(crate) order_open_window: Duration,
    /// What an order takes that is accepted without a time.
    pub(crate) order_ready_minutes: ReadyIn,
    pub(crate) body_timeout: Duration,
}

impl AppState {
    /// Runs a read within a client span called `name`, within the order deadline.
    ///
    /// # Errors
    /// 503: the cause is logged here.
    pub(crate) async fn read<T>(
        &self,
        name: &'static str,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, ApiError> {
        let read = async |connection: &mut AsyncPgConnection| spans::database(name, query(connection)).await;
        let rows = self.pool.read(self.order_deadline, read).await;
        rows.map_err(|error| unavailable(&error))
    }

    /// The same for several statements that are to see one state of the database.
    ///
    /// # Errors
    /// As [`AppState::read`].
    pub(crate) async fn read_one_state<T>(
        &self,
        name: &'static str,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, ApiError> {
        let read = async |connection: &mut AsyncPgConnection| spans::database(name, query(connection)).await;
        let rows = self.pool.read_one_state(self.order_deadline, read).await;
        rows.map_err(|error| unavailable(&error))
    }
}

/// 503 for a read that brought nothing; its cause is logged here.
pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> ApiError {
    spans::failed(error, "the database does not answer a request");
    ApiError::Unavailable
}
