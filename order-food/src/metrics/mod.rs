//! The metrics of the shop. Labels are known names only, so that their number is bounded.

pub(crate) mod handler;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::{
    GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, exponential_buckets,
    register_gauge_vec_with_registry, register_histogram_with_registry,
    register_int_counter_vec_with_registry, register_int_counter_with_registry,
    register_int_gauge_vec_with_registry, register_int_gauge_with_registry,
};
use shop::Totals;

/// Orders, the database, and the start-up runs that brought schema and data.
#[derive(Clone)]
pub(crate) struct ShopMetrics {
    placed: IntCounter,
    answered_again: IntCounter,
    refused: IntCounterVec,
    revenue_cents: IntCounter,
    discount_cents: IntCounter,
    batch_size: Histogram,
    commit_seconds: Histogram,
    queue_length: IntGauge,
    /// Orders that were refused because too many wait.
    pub(crate) queue_full: IntCounter,
    /// Refused batches that were halved.
    pub(crate) splits: IntCounter,
    resubmissions: IntCounter,
    writer_connections: IntGaugeVec,
    database_up: IntGauge,
    pool: IntGaugeVec,
    products: IntGauge,
    snapshot_up_to_date: IntGauge,
    snapshot_rows_skipped: IntGaugeVec,
    dataset_age: GaugeVec,
    pub(crate) dataset_max_age: IntGauge,
    dataset_changed: GaugeVec,
    run_success: IntGaugeVec,
    run_duration: GaugeVec,
    run_age: GaugeVec,
    run_running: GaugeVec,
    run_failures: IntGaugeVec,
    run_lost: IntGaugeVec,
    last_refusals: Arc<Mutex<VecDeque<Refused>>>,
    partitions_ahead: IntGaugeVec,
}

/// When an order was refused, and the kind of the error.
type Refused = (DateTime<Utc>, &'static str);

/// Refusals that are remembered one by one.
const REMEMBERED: usize = 50;

/// Reasons for which orders are not stored, or perhaps not, that are no fault of the client's.
const FAULTS: [&str; 3] = ["internal", "outcome_unknown", "unavailable"];

const COMMIT_BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

impl ShopMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry holds metrics of these names already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<ShopMetrics> {
        let counter = |name: &str, help: &str| register_int_counter_with_registry!(name, help, registry);
        let gauge = |name: &str, help: &str| register_int_gauge_with_registry!(name, help, registry);
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            register_int_gauge_vec_with_registry!(name, help, labels, registry)
        };
        let seconds = |name: &str, help: &str, labels: &[&str]| {
            register_gauge_vec_with_registry!(name, help, labels, registry)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            register_histogram_with_registry!(name, help, buckets, registry)
        };
        let refused = register_int_counter_vec_with_registry!(
            "orders_refused_total",
            "Orders not stored, by reason",
            &["reason"],
            registry
        )?;
        // Counted from 0, so that the first one is an increase.
        for reason in FAULTS {
            refused.with_label_values(&[reason]);
        }
        Ok(ShopMetrics {
            placed: counter("orders_placed_total", "Orders stored by this process")?,
            answered_again: counter(
                "orders_answered_again_total",
                "Requests answered with the order of an earlier one under the same Idempotency-Key",
            )?,
            refused,
            revenue_cents: counter(
                "orders_revenue_cents_total",
                "Totals of the stored orders, in cents",
            )?,
            discount_cents: counter(
                "orders_discount_cents_total",
                "Discounts of the stored orders, in cents",
            )?,
            batch_size: histogram(
                "order_batch_size",
                "Orders committed together",
                exponential_buckets(1.0, 2.0, 9)?,
            )?,
            commit_seconds: histogram(
                "order_commit_seconds",
                "Time until a batch of orders was committed",
                COMMIT_BUCKETS.to_vec(),
            )?,
            queue_length: gauge("order_queue_length", "Orders that wait to be written")?,
            queue_full: counter(
                "order_queue_full_total",
                "Orders refused because too many waited to be written",
            )?,
            splits: counter(
                "order_batch_splits_total",
                "Batches halved to find the order that the database refuses",
            )?,
            resubmissions: counter("order_resubmissions_total", "Orders sent to the database again")?,
            writer_connections: gauges(
                "order_writer_connections",
                "Open connections that write orders, for those with a limited promotion and for the others",
                &["orders"],
            )?,
            database_up: gauge(
                "database_up",
                "Whether the database answered when it was last asked",
            )?,
            pool: gauges(
                "database_pool_connections",
                "Database connections by state",
                &["state"],
            )?,
            products: gauge("catalogue_products", "Products in the catalogue")?,
            snapshot_up_to_date: gauge(
                "snapshot_up_to_date",
                "Whether the last attempt to read the shop's data succeeded",
            )?,
            snapshot_rows_skipped: gauges(
                "snapshot_rows_skipped",
                "Rows that this build cannot read and leaves out",
                &["table"],
            )?,
            dataset_age: seconds(
                "dataset_age_seconds",
                "Time since the data were last checked or loaded with success",
                NO_LABEL,
            )?,
            dataset_max_age: gauge(
                "dataset_max_age_seconds",
                "The setting DATASET_MAX_AGE: the data are stale at this age where the schedule is not known",
            )?,
            dataset_changed: seconds(
                "dataset_changed_seconds",
                "Time since the active data were published",
                NO_LABEL,
            )?,
            run_success: gauges(
                "bootstrap_last_run_success",
                "Whether the last finished run succeeded",
                RUN,
            )?,
            run_duration: seconds(
                "bootstrap_last_run_duration_seconds",
                "How long the last finished run took",
                RUN,
            )?,
            run_age: seconds(
                "bootstrap_last_run_age_seconds",
                "Time since the last finished run ended",
                RUN,
            )?,
            run_running: seconds(
                "bootstrap_running_seconds",
                "How long a run has been going on; 0: none is",
                RUN,
            )?,
            run_failures: gauges(
                "bootstrap_consecutive_failures",
                "Failed runs since the last success",
                RUN,
            )?,
            partitions_ahead: gauges(
                "order_partitions_ahead",
                "Partitions of the order tables that begin in the future",
                NO_LABEL,
            )?,
            run_lost: gauges(
                "bootstrap_lost_runs",
                "Runs since the last success that ended without a word",
                RUN,
            )?,
            last_refusals: Arc::default(),
        })
    }

    /// An order was stored.
    pub(crate) fn placed(&self, totals: &Totals) {
        self.placed.inc();
        self.revenue_cents
            .inc_by(u64::try_from(totals.total.cents()).unwrap_or(0));
        self.discount_cents
            .inc_by(u64::try_from(totals.discount.cents()).unwrap_or(0));
    }

    /// An order was not stored; `reason` is the error's type.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
        let mut last = self.last_refusals.lock().unwrap_or_else(PoisonError::into_inner);
        last.truncate(REMEMBERED - 1);
        last.push_front((Utc::now(), reason));
    }

    /// The last 50 orders that were not stored, newest first: when, by the clock of this machine,
    /// and the error's type.
    pub(crate) fn last_refusals(&self) -> Vec<Refused> {
        let last = self.last_refusals.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().copied().collect()
    }

    /// Batches that were committed, and the seconds that they took in all.
    pub(crate) fn commits(&self) -> (u64, f64) {
        let seconds = &self.commit_seconds;
        (seconds.get_sample_count(), seconds.get_sample_sum())
    }

    /// A request was answered with the order of an earlier one.
    pub(crate) fn answered_again(&self) {
        self.answered_again.inc();
    }

    /// A batch of `orders` orders was committed.
    pub(crate) fn committed(&self, orders: usize, taken: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "histograms hold floats")]
        self.batch_size.observe(orders as f64);
        self.commit_seconds.observe(taken.as_secs_f64());
    }

    /// How many connections write `orders`, those with a limited promotion or the others.
    pub(crate) fn writer_connections(&self, orders: &str) -> IntGauge {
        self.writer_connections.with_label_values(&[orders])
    }

    /// `orders` orders were sent again.
    pub(crate) fn resubmitted(&self, orders: usize) {
        self.resubmissions.inc_by(u64::try_from(orders).unwrap_or(0));
    }
}

/// A gauge without labels that is absent until it is known.
const NO_LABEL: &[&str] = &[];
const RUN: &[&str] = &["task", "trigger"];
