//! Notifications of one channel, merged until they are fetched.

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

use crate::connect::{ConnectError, Database};

/// A connection of its own that listens on one channel.
pub struct Listener {
    // Dropping the client ends the connection.
    client: Client,
    notifications: mpsc::Receiver<()>,
}

impl Database {
    /// Listens on `channel` (one of [`crate::channels`]), over a session of its own.
    ///
    /// # Errors
    /// [`ConnectError`] when no connection can be had or it ends at once.
    pub async fn listen(&self, channel: &str) -> Result<Listener, ConnectError> {
        self.require_sessions(self.pooling().await?)?;
        let (client, mut connection) = self.open().await?;
        // One place: notifications that arrive together are one.
        let (sender, notifications) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    let _ = sender.try_send(());
                }
            }
        });
        client
            .batch_execute(&format!("LISTEN {channel}"))
            .await
            .map_err(|cause| ConnectError::Unreachable {
                target: self.target(),
                cause: Box::new(cause),
            })?;
        Ok(Listener {
            client,
            notifications,
        })
    }
}

impl Listener {
    /// The client of the connection, for statements beside the notifications.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for a notification (several together are one); `None` once the connection is lost.
    pub async fn next(&mut self) -> Option<()> {
        self.notifications.recv().await
    }
}
