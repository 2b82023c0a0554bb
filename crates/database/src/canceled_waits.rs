//! Waits for a synchronous standby that were canceled: the commit is here, and perhaps only here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, stream};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{AsyncMessage, Client};
use tracing::{debug, info};

use crate::connect::Database;
use crate::connect_error::ConnectError;
use crate::open::Opened;

/// Counts such commits of one session. A cancel (`pg_cancel_backend`) makes the server answer with
/// success and a warning.
#[derive(Clone, Debug, Default)]
pub struct CanceledWaits(Arc<AtomicU64>);

impl CanceledWaits {
    /// How many there were. A statement whose answer has come is counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Database {
    /// As [`connect`](Self::connect), with the count of commits that a standby may not have.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_counting(&self) -> Result<(Client, CanceledWaits), ConnectError> {
        let waits = CanceledWaits::default();
        let counted = waits.clone();
        let client = self.connect_driven(|opened| drive(opened, counted)).await?;
        Ok((client, waits))
    }
}

fn drive(opened: Opened, waits: CanceledWaits) -> Client {
    let Opened {
        client,
        mut connection,
        ..
    } = opened;
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(message) = messages.next().await {
            match message {
                // Before the answer: the server sends the warning first.
                Ok(AsyncMessage::Notice(notice)) if is_canceled_wait(&notice) => {
                    waits.0.fetch_add(1, Ordering::Release);
                }
                Ok(AsyncMessage::Notice(notice)) => info!("{}: {}", notice.severity(), notice.message()),
                Ok(_) => {}
                Err(error) => {
                    debug!(error = %error, "a database connection ended");
                    return;
                }
            }
        }
    });
    client
}

/// The text of the warning is translated; the function that sends it is not.
fn is_canceled_wait(notice: &DbError) -> bool {
    *notice.code() == SqlState::WARNING
        && (notice.routine() == Some("SyncRepWaitForLSN")
            || notice.message().contains("wait for synchronous replication"))
}
