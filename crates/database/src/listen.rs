//! Notifications of one channel, kept or merged until they are fetched.

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

use crate::connect::Database;
use crate::connect_error::ConnectError;
use crate::open::Opened;

/// A connection of its own that listens on one channel.
pub struct Listener {
    // Dropping the client ends the connection.
    client: Client,
    payloads: mpsc::Receiver<String>,
}

impl Database {
    /// Listens on `channel` (one of [`crate::channels`]), over a session of its own; notifications
    /// that arrive together are one.
    ///
    /// # Errors
    /// [`ConnectError`] when no connection can be had or it ends at once.
    pub async fn listen(&self, channel: &str) -> Result<Listener, ConnectError> {
        self.listen_for_payloads(channel, 1).await
    }

    /// The same, but keeps up to `kept` notifications (at least 1) until they are fetched; those
    /// beyond are dropped.
    ///
    /// # Errors
    /// As [`Database::listen`].
    pub async fn listen_for_payloads(&self, channel: &str, kept: usize) -> Result<Listener, ConnectError> {
        self.require_sessions(self.pooling().await?)?;
        let Opened {
            client,
            mut connection,
            ..
        } = self.open(None).await?;
        let (sender, payloads) = mpsc::channel(kept);
        tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message {
                    let _ = sender.try_send(notification.payload().to_owned());
                }
            }
        });
        client
            .batch_execute(&format!("LISTEN {channel}"))
            .await
            .map_err(|cause| self.unreachable(Box::new(cause)))?;
        Ok(Listener { client, payloads })
    }
}

impl Listener {
    /// The client of the connection, for statements beside the notifications.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for a notification (several together may be one); `None` once the connection is lost.
    pub async fn next(&mut self) -> Option<()> {
        self.next_payload().await.map(drop)
    }

    /// The same with the payload of the notification.
    pub async fn next_payload(&mut self) -> Option<String> {
        self.payloads.recv().await
    }
}
