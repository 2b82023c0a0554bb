//! Migrations run as the owner of the tables, whichever role starts them.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::quote::identifier;
use super::{Names, Role};

/// The roles were made for this database, and the session's role may become the owner.
const MAY_BECOME: &str = "
SELECT pg_has_role(
        owner.oid, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
    )
    AND has_schema_privilege(owner.oid, current_schema(), 'CREATE')
    AND coalesce((SELECT relowner = owner.oid FROM pg_class 
        WHERE oid = coalesce(to_regclass('migration_details'), to_regclass('schema_migrations'))), true)
FROM pg_roles AS owner
WHERE rolname = $1
";

/// Lets the session act as the owner if it may: what a superuser migrates then belongs to the same
/// role as what the migrator migrates. Elsewhere nothing happens.
pub(crate) async fn become_owner(client: &Client, names: &Names) -> Result<(), tokio_postgres::Error> {
    let owner = names.of(Role::Owner);
    let row = client
        .query_typed_opt(MAY_BECOME, &[(&owner, Type::TEXT)])
        .await?;
    let may = match row {
        Some(row) => row.try_get::<_, Option<bool>>(0)?,
        None => None,
    };
    if may == Some(true) {
        client
            .batch_execute(&format!("SET ROLE {}", identifier(owner)))
            .await?;
    }
    Ok(())
}
