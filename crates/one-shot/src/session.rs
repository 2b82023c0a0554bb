//! Settings of a session that must not depend on what operators set for applications.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// A job may act as the owner of the tables, but sessions belong to the role that logged in.
pub const SET_ROLE_NONE: &str = "SET ROLE NONE";

/// Undoes [`SET_ROLE_NONE`].
pub const RESET_ROLE: &str = "RESET ROLE";

/// No limit of the server ends a long run half-way, nor changes the meaning of its transactions.
pub const UNLIMITED: [(&str, &str); 5] = [
    ("statement_timeout", "0"),
    ("transaction_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("default_transaction_isolation", "read committed"),
];

/// Settings that the server does not know are left out: some are younger than PostgreSQL 14.
const SET: &str = "
SELECT set_config(name, value, false)
FROM unnest($1::text[], $2::text[]) AS setting (name, value)
WHERE current_setting(name, true) IS NOT NULL
";

/// Sets [`UNLIMITED`] and `more` for the rest of the session, in one round trip.
///
/// # Errors
/// Those of the database; settings that this server does not have are none.
pub async fn prepare(client: &Client, more: &[(&str, &str)]) -> Result<(), tokio_postgres::Error> {
    let (names, values): (Vec<&str>, Vec<&str>) = UNLIMITED.iter().chain(more).copied().unzip();
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&names, Type::TEXT_ARRAY), (&values, Type::TEXT_ARRAY)];
    client.query_typed(SET, &parameters).await.map(drop)
}

/// Whether a setting does not exist on this server, or not with this value on its system.
#[must_use]
pub fn is_unsupported(error: &tokio_postgres::Error) -> bool {
    let states = [SqlState::UNDEFINED_OBJECT, SqlState::INVALID_PARAMETER_VALUE];
    error.code().is_some_and(|state| states.contains(state))
}
