use std::time::Duration;

use database::Database;
use tracing::warn;

/// How long asking the server to cancel may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the server to cancel what another connection is doing; a commit under way is not affected.
pub(super) async fn statement(database: &Database, pid: i32) {
    let ask = async {
        let client = database.connect().await?;
        client.execute("SELECT pg_cancel_backend($1)", &[&pid]).await?;
        anyhow::Ok(())
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => warn!(
            error = format!("{error:#}"),
            "the statement under way could not be canceled"
        ),
        Err(_) => warn!("the statement under way could not be canceled in time"),
    }
}
