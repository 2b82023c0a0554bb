use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::application::Shop;
use crate::orders::Order;

/// Orders, the database, and the start-up runs that brought schema and data.
#[derive(Clone)]
pub(crate) struct ShopMetrics {
    placed: IntCounter,
    refused: IntCounterVec,
    revenue_cents: IntCounter,
    discount_cents: IntCounter,
    commit_seconds: Histogram,
    database_up: IntGauge,
    pool: IntGaugeVec,
    products: IntGauge,
    snapshot_up_to_date: IntGauge,
    dataset_age: Gauge,
    dataset_changed: Gauge,
    run_success: IntGaugeVec,
    run_duration: GaugeVec,
    run_failures: IntGaugeVec,
}

const COMMIT_BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

impl ShopMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry holds metrics of these names already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<ShopMetrics> {
        let commits = HistogramOpts::new("order_commit_seconds", "Time until an order was committed");
        let metrics = ShopMetrics {
            placed: IntCounter::new("orders_placed_total", "Orders stored by this process")?,
            refused: IntCounterVec::new(
                Opts::new("orders_refused_total", "Orders not stored, by reason"),
                &["reason"],
            )?,
            revenue_cents: IntCounter::new(
                "orders_revenue_cents_total",
                "Totals of the stored orders, in cents",
            )?,
            discount_cents: IntCounter::new(
                "orders_discount_cents_total",
                "Discounts of the stored orders, in cents",
            )?,
            commit_seconds: Histogram::with_opts(commits.buckets(COMMIT_BUCKETS.to_vec()))?,
            database_up: IntGauge::new(
                "database_up",
                "Whether the database answered when it was last asked",
            )?,
            pool: gauges(
                "database_pool_connections",
                "Database connections by state",
                &["state"],
            )?,
            products: IntGauge::new("catalogue_products", "Products in the catalogue")?,
            snapshot_up_to_date: IntGauge::new(
                "snapshot_up_to_date",
                "Whether the last attempt to read the shop's data succeeded",
            )?,
            dataset_age: Gauge::new(
                "dataset_age_seconds",
                "Time since the data were last checked or loaded with success",
            )?,
            dataset_changed: Gauge::new(
                "dataset_changed_seconds",
                "Time since the active data were published",
            )?,
            run_success: gauges(
                "bootstrap_last_run_success",
                "Whether the last finished run succeeded",
                &["task"],
            )?,
            run_duration: GaugeVec::new(
                Opts::new(
                    "bootstrap_last_run_duration_seconds",
                    "How long the last finished run took",
                ),
                &["task"],
            )?,
            run_failures: gauges(
                "bootstrap_consecutive_failures",
                "Failed runs since the last success",
                &["task"],
            )?,
        };
        metrics.register(registry)?;
        Ok(metrics)
    }

    fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.placed.clone()))?;
        registry.register(Box::new(self.refused.clone()))?;
        registry.register(Box::new(self.revenue_cents.clone()))?;
        registry.register(Box::new(self.discount_cents.clone()))?;
        registry.register(Box::new(self.commit_seconds.clone()))?;
        registry.register(Box::new(self.database_up.clone()))?;
        registry.register(Box::new(self.pool.clone()))?;
        registry.register(Box::new(self.products.clone()))?;
        registry.register(Box::new(self.snapshot_up_to_date.clone()))?;
        registry.register(Box::new(self.dataset_age.clone()))?;
        registry.register(Box::new(self.dataset_changed.clone()))?;
        registry.register(Box::new(self.run_success.clone()))?;
        registry.register(Box::new(self.run_duration.clone()))?;
        registry.register(Box::new(self.run_failures.clone()))
    }

    /// An order was stored.
    pub(crate) fn placed(&self, order: &Order) {
        self.placed.inc();
        self.revenue_cents
            .inc_by(u64::try_from(order.totals.total.cents()).unwrap_or(0));
        self.discount_cents
            .inc_by(u64::try_from(order.totals.discount.cents()).unwrap_or(0));
    }

    /// An order was not stored; `reason` is the error's type.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// An order was committed.
    pub(crate) fn committed(&self, taken: Duration) {
        self.commit_seconds.observe(taken.as_secs_f64());
    }

    /// Sets what is looked at only when somebody asks.
    pub(crate) fn look(&self, shop: &Shop) {
        self.database_up.set(shop.readiness.database_answers().into());
        self.snapshot_up_to_date
            .set((!shop.readiness.in_trouble() && shop.current.any().is_some()).into());
        let usage = shop.pool.usage();
        for (state, count) in [
            ("used", usage.open.saturating_sub(usage.idle)),
            ("idle", usage.idle),
            ("waiting", usage.waiting),
            ("max", usage.most),
        ] {
            self.pool
                .with_label_values(&[state])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let Some(snapshot) = shop.current.any() else {
            return;
        };
        self.products
            .set(i64::try_from(snapshot.catalogue.len()).unwrap_or(i64::MAX));
        let seconds_since = |instant: DateTime<Utc>| (snapshot.now() - instant).as_seconds_f64().max(0.0);
        if let Some(at) = snapshot.published_at {
            self.dataset_changed.set(seconds_since(at));
        }
        for run in &snapshot.runs {
            let task = &[run.task.as_str()];
            self.run_success.with_label_values(task).set(run.succeeded.into());
            self.run_duration.with_label_values(task).set(run.duration_s);
            self.run_failures
                .with_label_values(task)
                .set(run.consecutive_failures.into());
            if let (Some(at), "database-load") = (run.succeeded_at, run.task.as_str()) {
                self.dataset_age.set(seconds_since(at));
            }
        }
    }
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}
