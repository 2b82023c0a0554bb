//! Metrics of deliveries.

use std::time::Duration;

use prometheus::{
    Histogram, IntCounterVec, Registry, register_histogram_with_registry,
    register_int_counter_vec_with_registry,
};

use super::client::{Answer, SendError};

/// Counted by the worker that delivers. No label names an endpoint: `order-food webhooks list`
/// shows each one's state.
pub(super) struct DeliveryMetrics {
    attempts: IntCounterVec,
    duration: Histogram,
    switched_off: IntCounterVec,
}

/// What a request to a receiver may end with.
const OUTCOMES: [&str; 4] = ["delivered", "refused", "unreachable", "late"];

const REASONS: [&str; 2] = ["gone", "failing"];

impl DeliveryMetrics {
    /// Metrics, all at 0.
    ///
    /// # Errors
    /// When the registry has other metrics of these names.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<DeliveryMetrics> {
        let attempts = register_int_counter_vec_with_registry!(
            "webhook_attempts_total",
            "Requests to receivers: delivered (2xx), refused (another status), unreachable, late (no complete answer in time).",
            &["outcome"],
            registry
        )?;
        let switched_off = register_int_counter_vec_with_registry!(
            "webhook_endpoints_switched_off_total",
            "Endpoints that were switched off: gone (410), failing (no success for WEBHOOK_SWITCH_OFF_AFTER).",
            &["reason"],
            registry
        )?;
        let duration = register_histogram_with_registry!(
            "webhook_attempt_duration_seconds",
            "Duration of requests to receivers.",
            vec![0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 20.0],
            registry
        )?;
        for outcome in OUTCOMES {
            attempts.with_label_values(&[outcome]);
        }
        for reason in REASONS {
            switched_off.with_label_values(&[reason]);
        }
        Ok(DeliveryMetrics {
            attempts,
            duration,
            switched_off,
        })
    }

    /// A request has ended.
    pub(super) fn attempt(&self, outcome: &Result<Answer, SendError>, took: Duration) {
        let outcome = match outcome {
            Ok(answer) if answer.status.is_success() => "delivered",
            Ok(_) => "refused",
            Err(SendError::Late(_)) => "late",
            Err(_) => "unreachable",
        };
        self.attempts.with_label_values(&[outcome]).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// An endpoint was switched off.
    pub(super) fn switched_off(&self, reason: &str) {
        self.switched_off.with_label_values(&[reason]).inc();
    }
}
