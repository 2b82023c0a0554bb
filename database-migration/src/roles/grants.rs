//! Rights on the database, the schema and the tables: those that should be, those that are, and
//! what leads from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Transaction;
use tracing::{debug, warn};

use super::catalog;
use super::finding::{Difference, Stage};
use super::quote::identifier;
use super::rights::{self, Columns, ExistingTable, Grant, GrantedPrivilege, Object, Place};
use super::{Names, Role};

/// The rights that the roles that exist should have.
fn wanted(tables: &[ExistingTable], existing: &BTreeSet<Role>) -> BTreeSet<Grant> {
    let plain = |object: Object, rights: &[(Role, &str)]| -> Vec<Grant> {
        rights
            .iter()
            .filter(|(role, _)| existing.contains(role))
            .map(|(role, privilege)| Grant {
                object: object.clone(),
                grantee: Some(*role),
                privilege: (*privilege).to_owned(),
                column: None,
            })
            .collect()
    };
    let mut wanted: BTreeSet<Grant> = plain(Object::Database, rights::DATABASE).into_iter().collect();
    wanted.extend(plain(Object::Schema, rights::SCHEMA));
    wanted.extend(plain(Object::Future, rights::FUTURE));
    for table in tables {
        let known = rights::TABLES.iter().find(|known| known.name == table.name);
        for role in Role::USERS.into_iter().filter(|role| existing.contains(role)) {
            for right in known.map(|known| known.rights(role)).unwrap_or_default() {
                wanted.extend(columns(right.columns, table).into_iter().map(|column| Grant {
                    object: Object::Table(table.name.clone()),
                    grantee: Some(role),
                    privilege: right.privilege.to_owned(),
                    column,
                }));
            }
        }
    }
    wanted
}

/// The columns that a right is on; one `None` for the whole table.
fn columns(columns: Columns, table: &ExistingTable) -> Vec<Option<String>> {
    let is_meant = |column: &str| match columns {
        Columns::All => false,
        Columns::Only(names) => names.contains(&column),
        Columns::But(names) => !names.contains(&column),
    };
    match columns {
        Columns::All => vec![None],
        Columns::Only(_) | Columns::But(_) => table
            .columns
            .iter()
            .filter(|column| is_meant(column))
            .cloned()
            .map(Some)
            .collect(),
    }
}

/// What is missing of the rights that should be there, and what is too much.
pub(super) fn differences(
    place: &Place,
    names: &Names,
    existing: &BTreeSet<Role>,
    tables: &[ExistingTable],
    held: &[GrantedPrivilege],
) -> Vec<Difference> {
    let wanted = wanted(tables, existing);
    let have: BTreeSet<&Grant> = held.iter().map(|held| &held.grant).collect();
    let missing = wanted.iter().filter(|grant| !have.contains(grant));
    let surplus = held
        .iter()
        .map(|held| &held.grant)
        .filter(|grant| is_watched(grant, tables) && !is_covered(grant, &wanted));
    let options = held
        .iter()
        .filter(|held| held.grantable && is_watched(&held.grant, tables))
        .map(|held| &held.grant);
    let writer = Writer { place, names };
    let mut differences = writer.each(options, Change::RevokeOption);
    differences.extend(writer.each(surplus, Change::Revoke));
    differences.extend(writer.each(missing, Change::Grant));
    differences
}

/// Whether a right that is too much is ours to take back.
fn is_watched(grant: &Grant, tables: &[ExistingTable]) -> bool {
    let is_ours = match &grant.object {
        Object::Table(name) => tables.iter().any(|table| table.name == *name),
        _ => true,
    };
    is_ours
        && match grant.grantee {
            None => grant.object != Object::Database || grant.privilege != rights::PUBLIC_ON_DATABASE,
            Some(role) => Role::USERS.contains(&role),
        }
}

fn is_covered(grant: &Grant, wanted: &BTreeSet<Grant>) -> bool {
    let whole = Grant {
        column: None,
        ..grant.clone()
    };
    wanted.contains(grant) || wanted.contains(&whole)
}

/// What is done about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Grant,
    Revoke,
    RevokeOption,
}

/// Privileges and their columns: `None` for the whole table.
type Privileges<'a> = BTreeMap<&'a str, Option<Vec<&'a str>>>;

/// Makes sentences and statements.
struct Writer<'a> {
    place: &'a Place,
    names: &'a Names,
}

impl Writer<'_> {
    /// One difference for each object and grantee.
    fn each<'g>(&self, grants: impl Iterator<Item = &'g Grant>, change: Change) -> Vec<Difference> {
        let mut groups: BTreeMap<(&Object, Option<Role>), Privileges<'g>> = BTreeMap::new();
        for grant in grants {
            let privileges = groups.entry((&grant.object, grant.grantee)).or_default();
            let columns = privileges
                .entry(&grant.privilege)
                .or_insert_with(|| Some(Vec::new()));
            match (&grant.column, columns.as_mut()) {
                (Some(column), Some(columns)) => columns.push(column),
                // The whole table goes before its columns: they come and go with it.
                _ => *columns = None,
            }
        }
        groups
            .into_iter()
            .map(|((object, grantee), privileges)| self.difference(object, grantee, &privileges, change))
            .collect()
    }

    fn difference(
        &self,
        object: &Object,
        grantee: Option<Role>,
        privileges: &Privileges<'_>,
        change: Change,
    ) -> Difference {
        let list = |quote: &dyn Fn(&str) -> String| {
            let one = |(privilege, columns): (&&str, &Option<Vec<&str>>)| match columns {
                None => (*privilege).to_owned(),
                Some(columns) => {
                    let columns: Vec<String> = columns.iter().map(|column| quote(column)).collect();
                    format!("{privilege} ({})", columns.join(", "))
                }
            };
            privileges.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let (words, sql) = (list(&|column| column.to_owned()), list(&identifier));
        let on = match object {
            Object::Database => format!("database {}", self.place.database),
            Object::Schema => format!("schema {}", self.place.schema),
            Object::Future => "tables to come".to_owned(),
            Object::Table(name) => name.clone(),
        };
        let whom = grantee.map_or("PUBLIC", |role| self.names.of(role));
        let (todo, finding) = match change {
            Change::Grant => (
                format!("grant {words} on {on} to {whom}"),
                format!("missing: {words} on {on} for {whom}"),
            ),
            Change::Revoke => (
                format!("revoke {words} on {on} from {whom}"),
                format!("surplus: {words} on {on} for {whom}"),
            ),
            Change::RevokeOption => (
                format!("revoke the option to grant {words} on {on} from {whom}, and what was granted by it"),
                format!("surplus: the option to grant {words} on {on} for {whom}"),
            ),
        };
        Difference {
            stage: match (object, change) {
                (Object::Table(_), Change::Grant) => Stage::Grants,
                (Object::Table(_), _) => Stage::Revocations,
                _ => Stage::Privileges,
            },
            as_owner: matches!(object, Object::Table(_) | Object::Future),
            sql: Some(self.statement(object, grantee, &sql, change)),
            todo,
            finding,
        }
    }

    fn statement(&self, object: &Object, grantee: Option<Role>, privileges: &str, change: Change) -> String {
        let whom = grantee.map_or("PUBLIC".to_owned(), |role| identifier(self.names.of(role)));
        let schema = identifier(&self.place.schema);
        let (verb, direction) = match change {
            Change::Grant => ("GRANT", "TO"),
            Change::Revoke => ("REVOKE", "FROM"),
            Change::RevokeOption => ("REVOKE GRANT OPTION FOR", "FROM"),
        };
        let cascade = match change {
            Change::RevokeOption => " CASCADE",
            Change::Grant | Change::Revoke => "",
        };
        let on = match object {
            Object::Database => format!("DATABASE {}", identifier(&self.place.database)),
            Object::Schema => format!("SCHEMA {schema}"),
            Object::Table(name) => format!("TABLE {schema}.{}", identifier(name)),
            Object::Future => {
                let owner = identifier(self.names.of(Role::Owner));
                return format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} \
                     {verb} {privileges} ON TABLES {direction} {whom}{cascade}"
                );
            }
        };
        format!("{verb} {privileges} ON {on} {direction} {whom}{cascade}")
    }
}

const ACTING: &str = "
SELECT current_user::text, session_user::text, current_schema()::text, current_database()::text
";

/// Gives the roles their rights on the tables within a migration's transaction, as far as it runs
/// as the tables' owner: what the migration makes is never without the rights that it should have,
/// nor with others.
///
/// Where the roles were not made by `roles apply` this is one question.
pub(crate) async fn bring_in_line(
    transaction: &Transaction<'_>,
    names: &Names,
) -> Result<(), tokio_postgres::Error> {
    let row = transaction.query_typed_one(ACTING, &[]).await?;
    let (acting, logged_in): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if acting != names.of(Role::Owner) {
        if acting != logged_in {
            warn!(
                "this session acts as {acting}, which is not the owner that the settings name ({}): the roles get no rights \
                 on new tables",
                names.of(Role::Owner)
            );
        }
        return Ok(());
    }
    let Some(schema) = row.try_get::<_, Option<String>>(2)? else {
        return Ok(());
    };
    let place = Place {
        database: row.try_get(3)?,
        schema,
    };
    let existing = catalog::existing(transaction, names).await?;
    // Taking a whole table back takes its columns back, too: so first the one, then the other.
    for stage in [Stage::Revocations, Stage::Grants] {
        let tables = own_tables(transaction, &place, &acting).await?;
        let held = catalog::granted(transaction, &place, names).await?;
        for difference in differences(&place, names, &existing, &tables, &held) {
            let Some(sql) = &difference.sql else { continue };
            if difference.stage == stage {
                debug!("{}", difference.done());
                transaction.batch_execute(sql).await?;
            }
        }
    }
    Ok(())
}

/// The tables that the owner may grant rights on.
async fn own_tables(
    transaction: &Transaction<'_>,
    place: &Place,
    owner: &str,
) -> Result<Vec<ExistingTable>, tokio_postgres::Error> {
    let mut tables = catalog::tables(transaction, place).await?;
    tables.retain(|table| table.owner == owner);
    Ok(tables)
}
