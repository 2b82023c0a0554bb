//! What operators do, recorded in the transaction that does it.

use diesel::QueryResult;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::Value;
use uuid::Uuid;

use database::schema::operator_actions;

/// One action of an operator: a row of `operator_actions`, which is never changed.
#[derive(Debug, Insertable)]
#[diesel(table_name = operator_actions)]
pub(crate) struct OperatorAction<'a> {
    /// The API key of the request; `None` for the command line.
    pub(crate) key_id: Option<Uuid>,
    /// `cli`, `api` or `console`.
    pub(crate) via: &'a str,
    /// `jobs.pause`, `webhooks.add` …
    pub(crate) action: &'a str,
    /// `job 17`, `kind:order.webhook` …
    pub(crate) target: String,
    /// State before, where there was one; never a secret.
    pub(crate) before: Option<Value>,
    /// State after, where there is one; never a secret.
    pub(crate) after: Option<Value>,
    /// `done`, or why nothing changed.
    pub(crate) outcome: &'a str,
    /// Id of the request; for the command line the host.
    pub(crate) request_id: Option<&'a str>,
}

impl<'a> OperatorAction<'a> {
    /// An action that is done, without an actor or states yet.
    pub(crate) fn new(via: &'a str, action: &'a str, target: String) -> OperatorAction<'a> {
        OperatorAction {
            key_id: None,
            via,
            action,
            target,
            before: None,
            after: None,
            outcome: "done",
            request_id: None,
        }
    }

    /// Takes over the states before and after, and returns the one after; `None` after: nothing was
    /// there to act on.
    pub(crate) fn changed(&mut self, (before, after): (Option<Value>, Option<Value>)) -> Option<Value> {
        if after.is_none() {
            self.outcome = "nothing to act on";
        }
        (self.before, self.after) = (before, after.clone());
        after
    }
}

/// Acts in a transaction that also records the action, as `act` leaves it. After an error the
/// transaction is open: the connection is to be closed.
///
/// # Errors
/// Whatever the database says, and the errors of `act`.
pub(crate) async fn recorded<'a, T, E: From<diesel::result::Error>>(
    connection: &mut AsyncPgConnection,
    mut action: OperatorAction<'a>,
    act: impl AsyncFnOnce(&mut AsyncPgConnection, &mut OperatorAction<'a>) -> Result<T, E>,
) -> Result<T, E> {
    connection.batch_execute("BEGIN").await?;
    let acted = act(connection, &mut action).await?;
    record(connection, &action).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(acted)
}

/// Inserts the action; call it in the transaction that acts.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn record(
    connection: &mut AsyncPgConnection,
    action: &OperatorAction<'_>,
) -> QueryResult<()> {
    diesel::insert_into(operator_actions::table)
        .values(action)
        .execute(connection)
        .await
        .map(drop)
}
