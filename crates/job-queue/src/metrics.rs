//! The metrics of a worker: under our names, and under those of the dashboards that know
//! `reporting_*`.

use std::collections::BTreeMap;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    register_gauge_vec_with_registry, register_histogram_vec_with_registry, register_histogram_with_registry,
    register_int_counter_vec_with_registry, register_int_counter_with_registry,
    register_int_gauge_vec_with_registry, register_int_gauge_with_registry,
};

use crate::kind::Kind;
use crate::priority::Priority;
use crate::store::Waiting;

/// Seconds; one set for claims, waits and runs.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];

/// A counter under both names: `jobs_x_total{kind,priority}` and `reporting_job_x{queue,priority}`.
#[derive(Clone)]
pub(crate) struct Counted {
    ours: IntCounterVec,
    reporting: IntCounterVec,
}

/// The metrics of a worker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) started: Counted,
    pub(crate) completed: Counted,
    pub(crate) failed: Counted,
    pub(crate) retried: Counted,
    pub(crate) dead: Counted,
    pub(crate) rescued: IntCounter,
    pub(crate) stale: IntCounter,
    pub(crate) running: IntGauge,
    pub(crate) claim_seconds: Histogram,
    wait_seconds: HistogramVec,
    duration_seconds: HistogramVec,
    reporting_duration: HistogramVec,
    depth: IntGaugeVec,
    oldest: GaugeVec,
    dead_depth: IntGaugeVec,
    paused: IntGaugeVec,
    /// `reporting_<queue>_queue_depth` and `reporting_<queue>_dlq_depth`.
    reporting_depths: BTreeMap<&'static str, (IntGaugeVec, IntGaugeVec)>,
    queues: BTreeMap<&'static str, &'static str>,
}

/// A job as its metrics label it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    pub(crate) kind: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) priority: Priority,
}

impl Counted {
    fn new(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Counted> {
        Ok(Counted {
            ours: register_int_counter_vec_with_registry!(
                format!("jobs_{name}_total"),
                help,
                &["kind", "priority"],
                registry
            )?,
            reporting: register_int_counter_vec_with_registry!(
                format!("reporting_job_{name}"),
                format!(
                    "The same as jobs_{name}_total, without the suffix so that known queries work as they are."
                ),
                &["queue", "priority"],
                registry
            )?,
        })
    }

    pub(crate) fn count(&self, labels: Labels, number: u64) {
        let Labels {
            kind,
            queue,
            priority,
        } = labels;
        self.ours
            .with_label_values(&[kind, priority.label()])
            .inc_by(number);
        self.reporting
            .with_label_values(&[queue, priority.label()])
            .inc_by(number);
    }
}

impl Metrics {
    /// Registers all of them; counters of every kind and priority start at 0.
    ///
    /// # Errors
    /// When the registry has other metrics of these names.
    pub(crate) fn new(registry: &Registry, kinds: &[Kind]) -> prometheus::Result<Metrics> {
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            register_histogram_vec_with_registry!(name, help, labels, SECONDS.to_vec(), registry)
        };
        let gauges = |name: String, help: &str, labels: &[&str]| {
            register_int_gauge_vec_with_registry!(name, help, labels, registry)
        };
        let mut reporting_depths = BTreeMap::new();
        for kind in kinds {
            if reporting_depths.contains_key(kind.queue) {
                continue;
            }
            let queue = kind.queue;
            let depth = gauges(
                format!("reporting_{queue}_queue_depth"),
                "Queued jobs of the queue; from the leader alone.",
                &["priority"],
            )?;
            let dead = gauges(
                format!("reporting_{queue}_dlq_depth"),
                "Dead letters of the queue; from the leader alone.",
                &[],
            )?;
            reporting_depths.insert(queue, (depth, dead));
        }
        let metrics = Metrics {
            started: Counted::new(registry, "started", "Attempts that began.")?,
            completed: Counted::new(registry, "completed", "Jobs that are done.")?,
            failed: Counted::new(registry, "failed", "Attempts that failed.")?,
            retried: Counted::new(
                registry,
                "retried",
                "Failed attempts after which the job was queued again.",
            )?,
            dead: Counted::new(registry, "dead", "Jobs that became dead letters.")?,
            rescued: register_int_counter_with_registry!(
                "jobs_rescued_total",
                "Attempts that were taken from lost workers.",
                registry
            )?,
            stale: register_int_counter_with_registry!(
                "jobs_stale_total",
                "Ends of attempts that were refused, because the job had been taken over.",
                registry
            )?,
            running: register_int_gauge_with_registry!(
                "jobs_running",
                "Jobs that run in this worker.",
                registry
            )?,
            claim_seconds: register_histogram_with_registry!(
                "jobs_claim_seconds",
                "Seconds that a claim took.",
                SECONDS.to_vec(),
                registry
            )?,
            wait_seconds: histogram(
                "jobs_wait_seconds",
                "Seconds from when a job was due until it was claimed.",
                &["priority"],
            )?,
            duration_seconds: histogram("jobs_duration_seconds", "Seconds that an attempt ran.", &["kind"])?,
            reporting_duration: histogram(
                "reporting_job_duration",
                "Seconds that an attempt ran; the same as jobs_duration_seconds, by queue.",
                &["queue"],
            )?,
            depth: gauges(
                "jobs_queue_depth".to_owned(),
                "Queued jobs; from the leader alone.",
                &["kind", "priority"],
            )?,
            oldest: register_gauge_vec_with_registry!(
                "jobs_oldest_age_seconds",
                "Seconds since the oldest queued job was due; from the leader alone.",
                &["priority"],
                registry
            )?,
            dead_depth: gauges(
                "jobs_dlq_depth".to_owned(),
                "Dead letters that were not replayed; from the leader alone.",
                &["kind"],
            )?,
            paused: gauges(
                "jobs_paused".to_owned(),
                "1 for each scope that is paused.",
                &["scope"],
            )?,
            reporting_depths,
            queues: kinds.iter().map(|kind| (kind.name, kind.queue)).collect(),
        };
        for kind in kinds {
            metrics.begin(kind);
        }
        Ok(metrics)
    }

    /// Series from the start, so that the first event is an increase.
    fn begin(&self, kind: &Kind) {
        for priority in Priority::ALL {
            let labels = Labels {
                kind: kind.name,
                queue: kind.queue,
                priority,
            };
            for counted in [
                &self.started,
                &self.completed,
                &self.failed,
                &self.retried,
                &self.dead,
            ] {
                counted.count(labels, 0);
            }
            self.wait_seconds.with_label_values(&[priority.label()]);
        }
        self.duration_seconds.with_label_values(&[kind.name]);
        self.reporting_duration.with_label_values(&[kind.queue]);
    }

    pub(crate) fn waited(&self, priority: Priority, seconds: f64) {
        self.wait_seconds
            .with_label_values(&[priority.label()])
            .observe(seconds.max(0.0));
    }

    pub(crate) fn ran(&self, labels: Labels, seconds: f64) {
        self.duration_seconds
            .with_label_values(&[labels.kind])
            .observe(seconds);
        self.reporting_duration
            .with_label_values(&[labels.queue])
            .observe(seconds);
    }

    pub(crate) fn paused(&self, scopes: &[String]) {
        self.paused.reset();
        for scope in scopes {
            self.paused.with_label_values(&[scope]).set(1);
        }
    }

    /// The depths as the leader counted them.
    pub(crate) fn depths(&self, waiting: &[Waiting], dead: &[(String, i64)]) {
        self.no_depths();
        for (kind, queue) in &self.queues {
            self.dead_depth.with_label_values(&[*kind]).set(0);
            for priority in Priority::ALL {
                self.depth.with_label_values(&[*kind, priority.label()]).set(0);
                self.oldest.with_label_values(&[priority.label()]).set(0.0);
                if let Some((depth, dead)) = self.reporting_depths.get(queue) {
                    depth.with_label_values(&[priority.label()]).set(0);
                    dead.with_label_values::<&str>(&[]).set(0);
                }
            }
        }
        for row in waiting {
            let Some(priority) = Priority::of(row.priority) else {
                continue;
            };
            let label = priority.label();
            self.depth
                .with_label_values(&[row.kind.as_str(), label])
                .set(row.depth);
            let oldest: Gauge = self.oldest.with_label_values(&[label]);
            oldest.set(oldest.get().max(row.oldest_s));
            if let Some((depth, _)) = self.reporting(&row.kind) {
                depth.with_label_values(&[label]).add(row.depth);
            }
        }
        for (kind, number) in dead {
            self.dead_depth.with_label_values(&[kind]).set(*number);
            if let Some((_, dead)) = self.reporting(kind) {
                dead.with_label_values::<&str>(&[]).add(*number);
            }
        }
    }

    /// Another worker leads: its depths are the ones to look at.
    pub(crate) fn no_depths(&self) {
        self.depth.reset();
        self.oldest.reset();
        self.dead_depth.reset();
        for (depth, dead) in self.reporting_depths.values() {
            depth.reset();
            dead.reset();
        }
    }

    fn reporting(&self, kind: &str) -> Option<&(IntGaugeVec, IntGaugeVec)> {
        self.reporting_depths.get(self.queues.get(kind)?)
    }
}

/// `jobs_worker_info`, always 1, and `jobs_scheduler_enabled`.
pub(crate) fn worker_info(
    registry: &Registry,
    pool: &str,
    filter: &str,
    version: &str,
    enabled: bool,
) -> prometheus::Result<()> {
    register_int_gauge_with_registry!(
        "jobs_scheduler_enabled",
        "1 if the worker claims jobs, 0 if its settings pause it.",
        registry
    )?
    .set(enabled.into());
    register_int_gauge_vec_with_registry!(
        "jobs_worker_info",
        "1, labelled with what the worker is.",
        &["pool", "filter", "version"],
        registry
    )?
    .with_label_values(&[pool, filter, version])
    .set(1);
    Ok(())
}
