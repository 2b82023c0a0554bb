//! The connection of an operator's command, and the record of what it did.

use database::Database;
use database::channels::DATASET_PUBLISHED;
use database::version::NEWEST;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use process::failure::{ExitCode, Failure, OrExit};

use crate::commands::schema;
use crate::operator_actions::{OperatorAction, recorded};
use crate::settings::Settings;
use crate::webhooks::endpoints::{self, Endpoint};

/// A connection to a database with the schema of this build.
pub(super) struct Operator {
    pub(super) connection: AsyncPgConnection,
}

impl Operator {
    /// Connects.
    ///
    /// # Errors
    /// As [`schema::connect`].
    pub(super) async fn connect(settings: &Settings) -> Result<Operator, Failure> {
        let database = Database::direct(&settings.database, "order-food webhooks")
            .or_exit(ExitCode::Usage, "settings")?;
        let connection = schema::connect(&database, "webhooks", NEWEST).await?;
        Ok(Operator { connection })
    }

    /// All endpoints, oldest first.
    ///
    /// # Errors
    /// Exit code 1 when the database does not answer.
    pub(super) async fn endpoints(&mut self) -> Result<Vec<Endpoint>, Failure> {
        endpoints::list(&mut self.connection)
            .await
            .or_exit(ExitCode::Unexpected, "read the endpoints")
    }

    /// Makes a change and its record in one transaction; API processes see it at once, as they see
    /// new data. After an error the command ends, and the transaction with its connection.
    ///
    /// # Errors
    /// Exit code 1 when the database refuses; the change's own errors.
    pub(super) async fn change<T>(
        &mut self,
        action: &'static str,
        change: impl AsyncFnOnce(&mut AsyncPgConnection, &mut OperatorAction<'_>) -> Result<T, ChangeError>,
    ) -> Result<T, Failure> {
        let host = process::host_name();
        let record = OperatorAction {
            request_id: Some(&host),
            ..OperatorAction::new("cli", action, String::new())
        };
        let changed = recorded(&mut self.connection, record, async |connection, record| {
            let changed = change(connection, record).await?;
            let notify = format!("NOTIFY {DATASET_PUBLISHED}");
            connection.batch_execute(&notify).await?;
            Ok(changed)
        });
        changed.await.map_err(|error| match error {
            ChangeError::Refused(failure) => failure,
            ChangeError::Database(error) => Failure::new(ExitCode::Unexpected, action).context_from(error),
        })
    }
}

/// A change was not made.
pub(super) enum ChangeError {
    Refused(Failure),
    Database(diesel::result::Error),
}

impl From<diesel::result::Error> for ChangeError {
    fn from(error: diesel::result::Error) -> ChangeError {
        ChangeError::Database(error)
    }
}
