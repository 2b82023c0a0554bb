//! What the database says about its roles.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::rights::{self, ExistingTable, Grant, GrantedPrivilege, Object, Place};
use super::{Names, Role};
use crate::error::{Doing as _, Error};

/// Everything that [`differences`](super::difference::differences) compares.
pub(super) struct Found {
    /// The role that the session acts as.
    pub(super) operator: String,
    /// Whether that role may become the owner.
    pub(super) operator_becomes_owner: bool,
    pub(super) place: Place,
    pub(super) database_owner: String,
    pub(super) schema_owner: String,
    pub(super) roles: BTreeMap<Role, Attributes>,
    /// Whether the migrator may become the owner.
    pub(super) migrator_is_member: bool,
    /// Whether it does as soon as it logs in.
    pub(super) migrator_becomes_owner: bool,
    pub(super) memberships: Vec<Membership>,
    pub(super) tables: Vec<ExistingTable>,
    pub(super) held: Vec<GrantedPrivilege>,
}

/// A role is a member of what it must not be a member of, directly or through others.
pub(super) struct Membership {
    pub(super) role: Role,
    pub(super) group: String,
    /// Since PostgreSQL 16 each of them has to be named to take the membership back.
    pub(super) grantors: Vec<String>,
}

/// What a role is besides its memberships and grants.
pub(super) struct Attributes {
    pub(super) logs_in: bool,
    pub(super) is_superuser: bool,
    /// `CREATEDB`, `CREATEROLE`, `REPLICATION`, `BYPASSRLS`
    pub(super) powers: Vec<String>,
    pub(super) stored: Stored,
}

/// What the server has stored as password.
pub(super) enum Stored {
    /// This verifier, or nothing.
    Read(Option<String>),
    /// Only superusers may know.
    Hidden,
}

const PLACE: &str = "
SELECT current_user::text,
    datname::text,
    pg_get_userbyid(datdba)::text,
    nspname::text,
    pg_get_userbyid(nspowner)::text,
    current_setting('search_path')
FROM pg_database
LEFT JOIN pg_namespace ON nspname = current_schema()
WHERE datname = current_database()
";

const ROLES: &str = "
SELECT rolname::text, rolcanlogin, rolsuper,
    array_remove(ARRAY[
        CASE WHEN rolcreatedb THEN 'CREATEDB' END,
        CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN rolreplication THEN 'REPLICATION' END,
        CASE WHEN rolbypassrls THEN 'BYPASSRLS' END
    ], NULL),
    has_table_privilege('pg_authid', 'SELECT')
FROM pg_roles
WHERE rolname = ANY ($1)
";

const PASSWORDS: &str = "SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = ANY ($1)";

/// Since PostgreSQL 16, a member need not be allowed to become what it is a member of.
const OWNERS: &str = "
WITH step (privilege) AS (
    SELECT CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
), named AS (
    SELECT (SELECT oid FROM pg_roles WHERE rolname = $1) AS owner, (SELECT oid FROM pg_roles WHERE rolname = $2) AS migrator
)
SELECT coalesce(pg_has_role(owner, privilege), false),
    coalesce(pg_has_role(migrator, owner, privilege), false),
    EXISTS (
        SELECT FROM pg_db_role_setting
        WHERE setrole = migrator
            AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND 'role=' || $1 = ANY (setconfig)
    )
FROM named, step
";

/// Being a member of these, directly or through others, gives rights that are not granted here.
const MEMBERSHIPS: &str = "
SELECT member.rolname::text, target.rolname::text, ARRAY(
        SELECT pg_get_userbyid(grantor)::text FROM pg_auth_members
        WHERE roleid = target.oid AND pg_auth_members.member = member.oid
            AND current_setting('server_version_num')::integer >= 160000
    )
FROM pg_roles AS member, pg_roles AS target
WHERE member.rolname = ANY ($1)
    AND NOT member.rolsuper
    AND target.oid <> member.oid
    AND (
        target.rolname = ANY ($2)
        OR target.rolsuper
        OR target.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
            'pg_execute_server_program', 'pg_maintain')
    )
    AND pg_has_role(member.oid, target.oid, 'MEMBER')
ORDER BY 1, 2
";

/// Nothing before the first migration: whatever has these names then is somebody else's.
const TABLES: &str = "
SELECT relname::text, pg_get_userbyid(relowner)::text,
    (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
     WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped)
FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
    AND relkind IN ('r', 'p')
    AND relname = ANY ($2)
    AND EXISTS (
        SELECT FROM pg_class AS ledger
        WHERE ledger.relnamespace = pg_class.relnamespace AND ledger.relname IN ('__diesel_schema_migrations', 'schema_migrations')
    )
ORDER BY 1
";

/// Reads it all, with the rights of the session's role; waits for no lock.
pub(super) async fn read(client: &(impl GenericClient + Sync), names: &Names) -> Result<Found, Error> {
    let doing = "read the roles";
    let row = client.query_typed_one(PLACE, &[]).await.doing(doing)?;
    match row.try_get(3).doing(doing)? {
        Some(schema) => found(client, names, &row, schema).await.doing(doing),
        None => Err(Error::NoSchema {
            search_path: row.try_get(5).doing(doing)?,
        }),
    }
}

async fn found(
    client: &(impl GenericClient + Sync),
    names: &Names,
    row: &Row,
    schema: String,
) -> Result<Found, tokio_postgres::Error> {
    let place = Place {
        database: row.try_get(1)?,
        schema,
    };
    let (operator_becomes_owner, migrator_is_member, migrator_becomes_owner) = owners(client, names).await?;
    Ok(Found {
        operator: row.try_get(0)?,
        operator_becomes_owner,
        database_owner: row.try_get(2)?,
        schema_owner: row.try_get(4)?,
        roles: roles(client, names).await?,
        migrator_is_member,
        migrator_becomes_owner,
        memberships: memberships(client, names).await?,
        tables: tables(client, &place).await?,
        held: granted(client, &place, names).await?,
        place,
    })
}

/// This project's tables that are there.
pub(super) async fn tables(
    client: &(impl GenericClient + Sync),
    place: &Place,
) -> Result<Vec<ExistingTable>, tokio_postgres::Error> {
    let known: Vec<&str> = rights::TABLES.iter().map(|table| table.name).collect();
    let rows = client
        .query_typed(TABLES, &[(&place.schema, Type::TEXT), (&known, Type::TEXT_ARRAY)])
        .await?;
    let table = |row: &Row| {
        Ok(ExistingTable {
            name: row.try_get(0)?,
            owner: row.try_get(1)?,
            columns: row.try_get(2)?,
        })
    };
    rows.iter().map(table).collect()
}

/// Those of the roles that exist.
pub(super) async fn existing(
    client: &(impl GenericClient + Sync),
    names: &Names,
) -> Result<BTreeSet<Role>, tokio_postgres::Error> {
    let rows = client
        .query_typed(
            "SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1)",
            &[(&names.all(), Type::TEXT_ARRAY)],
        )
        .await?;
    let mut existing = BTreeSet::new();
    for row in &rows {
        existing.extend(names.role(row.try_get(0)?));
    }
    Ok(existing)
}

async fn roles(
    client: &(impl GenericClient + Sync),
    names: &Names,
) -> Result<BTreeMap<Role, Attributes>, tokio_postgres::Error> {
    let all = names.all();
    let rows = client.query_typed(ROLES, &[(&all, Type::TEXT_ARRAY)]).await?;
    let mut roles = BTreeMap::new();
    let mut may_read = false;
    for row in &rows {
        let name: String = row.try_get(0)?;
        let Some(role) = names.role(&name) else { continue };
        may_read = row.try_get(4)?;
        let attributes = Attributes {
            logs_in: row.try_get(1)?,
            is_superuser: row.try_get(2)?,
            powers: row.try_get(3)?,
            stored: Stored::Hidden,
        };
        roles.insert(role, attributes);
    }
    if may_read {
        let rows = client.query_typed(PASSWORDS, &[(&all, Type::TEXT_ARRAY)]).await?;
        for row in &rows {
            let name: String = row.try_get(0)?;
            if let Some(attributes) = names.role(&name).and_then(|role| roles.get_mut(&role)) {
                attributes.stored = Stored::Read(row.try_get(1)?);
            }
        }
    }
    Ok(roles)
}

async fn owners(
    client: &(impl GenericClient + Sync),
    names: &Names,
) -> Result<(bool, bool, bool), tokio_postgres::Error> {
    let (owner, migrator) = (names.of(Role::Owner), names.of(Role::Migrator));
    let row = client
        .query_typed_one(OWNERS, &[(&owner, Type::TEXT), (&migrator, Type::TEXT)])
        .await?;
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

async fn memberships(
    client: &(impl GenericClient + Sync),
    names: &Names,
) -> Result<Vec<Membership>, tokio_postgres::Error> {
    let users = Role::USERS.map(|role| names.of(role)).to_vec();
    let rows = client
        .query_typed(
            MEMBERSHIPS,
            &[(&users, Type::TEXT_ARRAY), (&names.all(), Type::TEXT_ARRAY)],
        )
        .await?;
    let mut memberships = Vec::new();
    for row in &rows {
        let member: String = row.try_get(0)?;
        if let Some(role) = names.role(&member) {
            memberships.push(Membership {
                role,
                group: row.try_get(1)?,
                grantors: row.try_get(2)?,
            });
        }
    }
    Ok(memberships)
}

const GRANTED: &str = "
WITH place AS (SELECT oid, nspowner, nspacl FROM pg_namespace WHERE nspname = $1)
SELECT kind, name::text, attribute::text, rolname::text, privilege, grantable
FROM (
    SELECT 'database', NULL, NULL, acl.*
    FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
    WHERE datname = current_database()
    UNION ALL
    SELECT 'schema', NULL, NULL, acl.*
    FROM place, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS acl
    UNION ALL
    SELECT 'future', NULL, NULL, acl.*
    FROM pg_default_acl, aclexplode(defaclacl) AS acl
    WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $2)
        AND defaclnamespace = (SELECT oid FROM place)
        AND defaclobjtype = 'r'
    UNION ALL
    SELECT 'table', relname, NULL, acl.*
    FROM pg_class, aclexplode(relacl) AS acl
    WHERE relnamespace = (SELECT oid FROM place) AND relkind IN ('r', 'p')
    UNION ALL
    SELECT 'table', relname, attname, acl.*
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl) AS acl
    WHERE relnamespace = (SELECT oid FROM place) AND relkind IN ('r', 'p') AND NOT attisdropped
) AS granted (kind, name, attribute, grantor, grantee, privilege, grantable)
LEFT JOIN pg_roles ON pg_roles.oid = grantee
WHERE grantee = 0 OR rolname = ANY ($3)
";

/// The rights of the named roles and of everybody.
pub(super) async fn granted(
    client: &(impl GenericClient + Sync),
    place: &Place,
    names: &Names,
) -> Result<Vec<GrantedPrivilege>, tokio_postgres::Error> {
    let rows = client
        .query_typed(
            GRANTED,
            &[
                (&place.schema, Type::TEXT),
                (&names.of(Role::Owner), Type::TEXT),
                (&names.all(), Type::TEXT_ARRAY),
            ],
        )
        .await?;
    let mut held = Vec::with_capacity(rows.len());
    for row in &rows {
        let kind: String = row.try_get(0)?;
        let object = match kind.as_str() {
            "database" => Object::Database,
            "schema" => Object::Schema,
            "future" => Object::Future,
            _ => Object::Table(row.try_get(1)?),
        };
        let grantee: Option<String> = row.try_get(3)?;
        held.push(GrantedPrivilege {
            grant: Grant {
                object,
                grantee: grantee.and_then(|name| names.role(&name)),
                privilege: row.try_get(4)?,
                column: row.try_get(2)?,
            },
            grantable: row.try_get(5)?,
        });
    }
    Ok(held)
}
