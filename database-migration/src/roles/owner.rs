//! Migrations run as the owner of the tables, whichever role starts them, and grant its rights.

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};
use tracing::{debug, warn};

use super::{Names, Role, difference};

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
            .batch_execute(&format!("SET ROLE {}", escape_identifier(owner)))
            .await?;
    }
    Ok(())
}

/// Gives the roles their rights on the tables within a migration's transaction, as far as it runs
/// as the tables' owner: what the migration makes is never without the rights that it should have,
/// nor with others.
///
/// Where the roles were not made by `roles apply` this is one question.
pub(crate) async fn bring_rights_in_line(
    transaction: &Transaction<'_>,
    names: &Names,
) -> Result<(), tokio_postgres::Error> {
    let acting = "SELECT current_user::text, session_user::text";
    let row = transaction.query_typed_one(acting, &[]).await?;
    let (acting, logged_in): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let owner = names.of(Role::Owner);
    if acting != owner {
        if acting != logged_in {
            warn!(
                "this session acts as {acting}, which is not the owner that the settings name ({owner}): the roles get \
                 no rights on new tables"
            );
        }
        return Ok(());
    }
    // Taking a whole table back takes its columns back, too: so first the one, then the other.
    for stage in ["revocations", "grants"] {
        for difference in difference::read(transaction, names, &[stage], true).await? {
            if let Some(sql) = &difference.sql {
                debug!("{}", difference.done());
                transaction.batch_execute(sql).await?;
            }
        }
    }
    Ok(())
}
