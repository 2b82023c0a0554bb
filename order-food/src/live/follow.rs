//! Follows changes: takes hints of other replicas, and reads what those who wait have not seen.

use std::time::Duration;

use database::Database;
use database::channels::ORDERS_CHANGED;
use database::pool::Pool;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::change::changes_after;
use super::hint::{Hint, parse};
use super::{Inner, Live};

/// Time between two reads without a hint. With a read that fails once, 15 s are kept.
const WITHOUT_HINT: Duration = Duration::from_secs(10);
/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// Limit of a read, and of an attempt to listen.
const LIMIT: Duration = Duration::from_secs(4);
/// Notifications that may wait; those beyond are dropped.
const WAITING: usize = 4_096;
/// Orders of one read.
const ORDERS: usize = 1_000;

impl Live {
    /// Listens over `direct` and reads from `pool`, until `stop` is cancelled.
    pub(crate) async fn follow(self, direct: Database, pool: Pool, stop: CancellationToken) {
        let following = async { tokio::join!(listen(&self.0, &direct), read(&self.0, &pool)) };
        stop.run_until_cancelled(Box::pin(following)).await;
    }
}

async fn listen(live: &Inner, direct: &Database) {
    let mut failing = false;
    loop {
        let listener = timeout(LIMIT, direct.listen_for_payloads(ORDERS_CHANGED, WAITING)).await;
        match listener {
            Ok(Ok(mut listener)) => {
                failing = false;
                // Of what was sent before, nothing was heard.
                live.take(Hint::Placed);
                live.watchers.missed();
                while let Some(payload) = listener.next_payload().await {
                    parse(&payload).for_each(|hint| live.take(hint));
                }
                debug!("the session that listens for changes of orders was lost");
            }
            Ok(Err(error)) if !std::mem::replace(&mut failing, true) => {
                let error = process::failure::line(&error);
                warn!(
                    error,
                    "changes of orders are not notified; looking for them every 10 s"
                );
            }
            _ => {}
        }
        sleep(RETRY).await;
    }
}

async fn read(live: &Inner, pool: &Pool) {
    let mut without_hint = interval(WITHOUT_HINT);
    without_hint.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let all = tokio::select! {
            _ = without_hint.tick() => true,
            () = live.watchers.woken() => false,
        };
        let due = live.watchers.due(all);
        for orders in due.chunks(ORDERS) {
            let changes = pool.read(LIMIT, async |connection| changes_after(connection, orders).await);
            match changes.await {
                Ok(changes) => live.watchers.publish(changes),
                Err(error) => {
                    debug!(
                        error = process::failure::line(&error),
                        "changes of orders cannot be read"
                    );
                    sleep(RETRY).await;
                    live.watchers.missed();
                }
            }
        }
    }
}
