//! What operators do, recorded in the transaction that does it.

use diesel::QueryResult;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
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
    pub(crate) target: &'a str,
    /// State before, where there was one; never a secret.
    pub(crate) before: Option<Value>,
    /// State after, where there is one; never a secret.
    pub(crate) after: Option<Value>,
    /// `done`, or why nothing changed.
    pub(crate) outcome: &'a str,
    /// Id of the request; for the command line the host.
    pub(crate) request_id: Option<&'a str>,
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
