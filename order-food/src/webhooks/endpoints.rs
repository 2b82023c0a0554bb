//! The endpoints as operators see and change them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::schema::{webhook_endpoints, webhook_secrets};
use diesel::dsl::{AsSelect, now, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use uuid::Uuid;

use super::event::EventType;
use super::secret::WebhookSecret;

/// The id of an endpoint.
pub(crate) type EndpointId = Uuid;

/// An endpoint with its state; no secret.
#[derive(Clone, Debug, Queryable, Selectable, Serialize)]
#[diesel(table_name = webhook_endpoints)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) url: String,
    pub(crate) events: Vec<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) disabled_at: Option<DateTime<Utc>>,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) failures: i32,
    pub(crate) failing_since: Option<DateTime<Utc>>,
    pub(crate) last_error: Option<String>,
    pub(crate) delivered_at: Option<DateTime<Utc>>,
    pub(crate) probe_at: Option<DateTime<Utc>>,
}

/// All endpoints, oldest first.
pub(crate) async fn list(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Endpoint>> {
    webhook_endpoints::table
        .select(Endpoint::as_select())
        .order(webhook_endpoints::id)
        .load(connection)
        .await
}

#[diesel::dsl::auto_type]
fn by_id(id: EndpointId) -> _ {
    let columns: AsSelect<Endpoint, Pg> = Endpoint::as_select();
    webhook_endpoints::table.find(id).select(columns)
}

/// The endpoint.
pub(crate) async fn find(
    connection: &mut AsyncPgConnection,
    id: EndpointId,
) -> QueryResult<Option<Endpoint>> {
    by_id(id).first(connection).await.optional()
}

/// The active endpoints that want this event, oldest first.
pub(crate) async fn active(
    connection: &mut AsyncPgConnection,
    event: EventType,
) -> QueryResult<Vec<EndpointId>> {
    webhook_endpoints::table
        .select(webhook_endpoints::id)
        .filter(webhook_endpoints::disabled_at.is_null())
        .filter(webhook_endpoints::events.contains(vec![event.name()]))
        .order(webhook_endpoints::id)
        .load(connection)
        .await
}

/// The endpoint, locked until the end of the transaction.
pub(crate) async fn locked(
    connection: &mut AsyncPgConnection,
    id: EndpointId,
) -> QueryResult<Option<Endpoint>> {
    by_id(id).for_update().first(connection).await.optional()
}

/// Adds an active endpoint with its first secret.
pub(crate) async fn add(
    connection: &mut AsyncPgConnection,
    url: &str,
    events: &[EventType],
    secret: &WebhookSecret,
) -> QueryResult<Endpoint> {
    let names: Vec<&str> = events.iter().map(|event| event.name()).collect();
    let endpoint = diesel::insert_into(webhook_endpoints::table)
        .values((
            webhook_endpoints::id.eq(Uuid::now_v7()),
            webhook_endpoints::url.eq(url),
            webhook_endpoints::events.eq(names),
        ))
        .returning(Endpoint::as_returning())
        .get_result(connection)
        .await?;
    add_secret(connection, endpoint.id, secret).await?;
    Ok(endpoint)
}

/// Gives the endpoint a new secret; those that it has sign beside it for `overlap` more.
pub(crate) async fn rotate(
    connection: &mut AsyncPgConnection,
    id: EndpointId,
    secret: &WebhookSecret,
    overlap: Duration,
) -> QueryResult<()> {
    let seconds = i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX);
    let expiry = sql::<Nullable<Timestamptz>>("now() + interval '1 s' * ").bind::<BigInt, _>(seconds);
    diesel::update(webhook_secrets::table)
        .filter(webhook_secrets::endpoint_id.eq(id))
        .filter(webhook_secrets::expires_at.is_null())
        .set(webhook_secrets::expires_at.eq(expiry))
        .execute(connection)
        .await?;
    diesel::delete(webhook_secrets::table)
        .filter(webhook_secrets::endpoint_id.eq(id))
        .filter(webhook_secrets::expires_at.le(now))
        .execute(connection)
        .await?;
    add_secret(connection, id, secret).await
}

/// Switches the endpoint off until it is enabled again.
pub(crate) async fn disable(connection: &mut AsyncPgConnection, id: EndpointId) -> QueryResult<Endpoint> {
    diesel::update(webhook_endpoints::table.find(id))
        .set((
            webhook_endpoints::disabled_at.eq(sql::<Nullable<Timestamptz>>("coalesce(disabled_at, now())")),
            webhook_endpoints::disabled_reason.eq("operator"),
            webhook_endpoints::probe_at.eq(None::<DateTime<Utc>>),
        ))
        .returning(Endpoint::as_returning())
        .get_result(connection)
        .await
}

/// Switches the endpoint on, with its failures forgotten.
pub(crate) async fn enable(connection: &mut AsyncPgConnection, id: EndpointId) -> QueryResult<Endpoint> {
    diesel::update(webhook_endpoints::table.find(id))
        .set((
            webhook_endpoints::disabled_at.eq(None::<DateTime<Utc>>),
            webhook_endpoints::disabled_reason.eq(None::<String>),
            webhook_endpoints::failures.eq(0),
            webhook_endpoints::failing_since.eq(None::<DateTime<Utc>>),
            webhook_endpoints::open_until.eq(None::<DateTime<Utc>>),
            webhook_endpoints::trial_until.eq(None::<DateTime<Utc>>),
            webhook_endpoints::probes.eq(0),
            webhook_endpoints::probe_at.eq(None::<DateTime<Utc>>),
        ))
        .returning(Endpoint::as_returning())
        .get_result(connection)
        .await
}

async fn add_secret(
    connection: &mut AsyncPgConnection,
    id: EndpointId,
    secret: &WebhookSecret,
) -> QueryResult<()> {
    diesel::insert_into(webhook_secrets::table)
        .values((
            webhook_secrets::id.eq(Uuid::now_v7()),
            webhook_secrets::endpoint_id.eq(id),
            webhook_secrets::secret.eq(secret.bytes()),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
