//! The connection of an operator's command, and the record of what it did.

use database::Database;
use database::channels::DATASET_PUBLISHED;
use database::version::NEWEST;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::Value;

use crate::commands::schema;
use crate::exit_code::connecting;
use crate::operator_actions::{self, OperatorAction};
use crate::settings::Settings;
use crate::webhooks::endpoints::{self, Endpoint};

/// A connection to a database with the schema of this build.
pub(super) struct Operator {
    pub(super) connection: AsyncPgConnection,
}

/// A change that was made, for the record.
pub(super) struct Change<T> {
    pub(super) target: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    /// `done`, or why nothing changed.
    pub(super) outcome: &'static str,
    pub(super) value: T,
}

impl Operator {
    /// Connects.
    ///
    /// # Errors
    /// Exit code 3 when the database cannot be reached, 2 when it refuses, 9 when its schema is
    /// older than this build needs.
    pub(super) async fn connect(settings: &Settings) -> Result<Operator, Failure> {
        let database = Database::direct(&settings.database, "order-food webhooks")
            .or_exit(ExitCode::Usage, "settings")?;
        let client = database.connect().await.map_err(connecting("webhooks"))?;
        schema::check(&client, NEWEST).await?;
        let connection = database.connect_diesel().await;
        Ok(Operator {
            connection: connection.map_err(connecting("webhooks"))?,
        })
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
        change: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<Change<T>, ChangeError>,
    ) -> Result<T, Failure> {
        self.transaction(action, change)
            .await
            .map_err(|error| match error {
                ChangeError::Refused(failure) => failure,
                ChangeError::Database(error) => {
                    Failure::new(ExitCode::Unexpected, action).context_from(error)
                }
            })
    }

    async fn transaction<T>(
        &mut self,
        action: &'static str,
        change: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<Change<T>, ChangeError>,
    ) -> Result<T, ChangeError> {
        let connection = &mut self.connection;
        connection.batch_execute("BEGIN").await?;
        let changed = change(connection).await?;
        let host = process::host_name();
        let record = OperatorAction {
            key_id: None,
            via: "cli",
            action,
            target: &changed.target,
            before: changed.before,
            after: changed.after,
            outcome: changed.outcome,
            request_id: Some(&host),
        };
        operator_actions::record(connection, &record).await?;
        connection
            .batch_execute(&format!("NOTIFY {DATASET_PUBLISHED}; COMMIT"))
            .await?;
        Ok(changed.value)
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
