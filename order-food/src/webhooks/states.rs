//! The number of endpoints in each state, as a metric: the alert WebhookEndpointDown looks at it.

use std::time::Duration;

use database::pool::Pool;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use prometheus::{IntGaugeVec, Registry, register_int_gauge_vec_with_registry};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Time between two counts.
const EVERY: Duration = Duration::from_secs(15);

const STATES: [&str; 4] = ["delivering", "failing", "off", "disabled"];

const COUNT: &str = "
    SELECT CASE
            WHEN disabled_reason = 'operator' THEN 'disabled'
            WHEN disabled_at IS NOT NULL THEN 'off'
            WHEN open_until IS NOT NULL THEN 'failing'
            ELSE 'delivering'
        END AS state,
        count(*) AS endpoints
    FROM webhook_endpoints GROUP BY 1";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    endpoints: i64,
}

/// Counts endpoints until the worker ends. Every worker exports the same numbers.
pub(crate) struct EndpointStates {
    pool: Pool,
    endpoints: IntGaugeVec,
}

impl EndpointStates {
    /// All states at 0 until the first count.
    ///
    /// # Errors
    /// When the registry has another metric of this name.
    pub(crate) fn new(pool: Pool, registry: &Registry) -> prometheus::Result<EndpointStates> {
        let endpoints = register_int_gauge_vec_with_registry!(
            "webhook_endpoints",
            "Webhook endpoints: delivering, failing (the last attempts failed), off (switched off because of that, or gone), disabled (by an operator).",
            &["state"],
            registry
        )?;
        for state in STATES {
            endpoints.with_label_values(&[state]);
        }
        Ok(EndpointStates { pool, endpoints })
    }

    /// Counts now and every 15 s; without the database the last numbers stay.
    pub(crate) async fn run(self, ended: CancellationToken) {
        loop {
            if let Err(error) = self.count().await {
                debug!(error = format!("{error:#}"), "webhook endpoints were not counted");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = ended.cancelled() => return,
            }
        }
    }

    async fn count(&self) -> anyhow::Result<()> {
        let mut connection = self.pool.get().await?;
        let rows: Vec<Row> = diesel::sql_query(COUNT).load(&mut *connection).await?;
        connection.release();
        for state in STATES {
            let row = rows.iter().find(|row| row.state == state);
            let endpoints = row.map_or(0, |row| row.endpoints);
            self.endpoints.with_label_values(&[state]).set(endpoints);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use test_support::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn each_endpoint_counts_in_one_state() {
        let database = TestDatabase::migrated().await;
        TestDatabase::execute(
            &database,
                "INSERT INTO webhook_endpoints (id, url, events, disabled_at, disabled_reason, failures, failing_since, open_until)
                 SELECT gen_random_uuid(), 'https://example.com', '{order.placed}', off, reason, failures,
                     CASE WHEN failures > 0 THEN now() END, open
                 FROM (VALUES (NULL::timestamptz, NULL, 0, NULL::timestamptz), (NULL, NULL, 1, NULL),
                     (NULL, NULL, 5, now() - interval '1 min'), (now(), 'gone', 1, NULL),
                     (now(), 'failing', 9, now()), (now(), 'operator', 9, now())) AS row(off, reason, failures, open)",
            )
            .await;
        let pool = Pool::new(&database.database(), 1, Duration::from_secs(2));
        let states = EndpointStates::new(pool, &Registry::new()).unwrap();

        states.count().await.unwrap();

        let counted = STATES.map(|state| states.endpoints.with_label_values(&[state]).get());
        assert_eq!(counted, [2, 1, 2, 1], "{STATES:?}");
    }
}
