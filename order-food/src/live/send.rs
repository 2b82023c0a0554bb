//! Sends hints to the other replicas, after COMMIT and on connections of its own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use database::channels::ORDERS_CHANGED;
use database::pool::Pool;
use diesel::sql_types::{Array, Text};
use diesel_async::RunQueryDsl;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::hint::{Hint, payloads};
use super::{Inner, Live};

/// Least time between two hints of new orders.
const BETWEEN_PLACED: Duration = Duration::from_millis(250);
const STATEMENT_LIMIT: Duration = Duration::from_secs(2);

/// One transaction for all payloads: each one that notifies takes the lock on the whole queue.
const NOTIFY: &str = "SELECT pg_notify($1, payload) FROM unnest($2) AS payload";

impl Live {
    /// Sends the hints of this process until `stop` is cancelled.
    ///
    /// A hint that cannot be sent is dropped: the others read every 10 s without one.
    pub(crate) async fn send(self, pool: Pool, stop: CancellationToken) {
        let sending = async { tokio::join!(send_placed(&self.0, &pool), send_changed(&self.0, &pool)) };
        stop.run_until_cancelled(sending).await;
    }
}

async fn send_placed(live: &Inner, pool: &Pool) {
    loop {
        live.placed_wake.notified().await;
        live.placed.store(false, Ordering::Release);
        live.take(Hint::Placed);
        notify(pool, vec![String::new()]).await;
        sleep(BETWEEN_PLACED).await;
    }
}

async fn send_changed(live: &Inner, pool: &Pool) {
    loop {
        live.changed_wake.notified().await;
        // Changes that are made while these are being sent go together next time.
        let changes = std::mem::take(&mut *live.changed());
        notify(pool, payloads(&changes)).await;
    }
}

async fn notify(pool: &Pool, payloads: Vec<String>) {
    let sent = async {
        let mut connection = pool.get().await?;
        diesel::sql_query(NOTIFY)
            .bind::<Text, _>(ORDERS_CHANGED)
            .bind::<Array<Text>, _>(payloads)
            .execute(&mut connection)
            .await?;
        connection.release();
        anyhow::Ok(())
    };
    match timeout(STATEMENT_LIMIT, sent).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(error = %error, "other replicas were not notified of orders"),
        Err(_) => debug!("other replicas were not notified of orders in time"),
    }
}
