use std::time::Duration;

use tokio_postgres::Client;
use tracing::warn;

/// How long asking the server to cancel may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the server, over `client`, to cancel what another connection is doing; a commit under way is not affected.
pub(super) async fn statement(client: &Client, pid: i32) {
    let ask = async {
        client
            .execute("SELECT pg_cancel_backend($1)", &[&pid])
            .await
            .map(drop)
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => warn!(
            error = %error,
            "the statement under way could not be canceled"
        ),
        Err(_) => warn!("the statement under way could not be canceled in time"),
    }
}
