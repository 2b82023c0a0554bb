//! What is not as it should be, and the statement that makes it so.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret as _;

use super::catalog::{Attributes, Found, Membership, Stored};
use super::finding::{Difference, Stage};
use super::login::Login;
use super::quote::{identifier, literal};
use super::settings::Passwords;
use super::{Names, Role, grants, verifier};

/// Everything but passwords.
pub(super) fn differences(found: &Found, names: &Names) -> Vec<Difference> {
    let existing: BTreeSet<Role> = found.roles.keys().copied().collect();
    let mut differences = Vec::new();
    for role in Role::ALL {
        differences.extend(match found.roles.get(&role) {
            Some(attributes) => attributes_of(names.of(role), role, attributes),
            None => vec![new(names.of(role), role)],
        });
    }
    if existing.contains(&Role::Owner) && existing.contains(&Role::Migrator) {
        differences.extend(migrator(found, names));
    }
    differences.extend(memberships(found, names));
    if existing.contains(&Role::Owner) {
        differences.extend(owners(found, names));
    }
    differences.extend(grants::differences(
        &found.place,
        names,
        &existing,
        &found.tables,
        &found.held,
    ));
    differences
}

fn new(name: &str, role: Role) -> Difference {
    let login = if role.logs_in() { "LOGIN" } else { "NOLOGIN" };
    Difference::of_roles(
        Some(format!("CREATE ROLE {} {login}", identifier(name))),
        format!("create role {name} ({login})"),
        format!("missing: role {name} ({role})"),
    )
}

fn attributes_of(name: &str, role: Role, attributes: &Attributes) -> Vec<Difference> {
    let mut differences = Vec::new();
    let alter = |what: &str| Some(format!("ALTER ROLE {} {what}", identifier(name)));
    if attributes.is_superuser {
        // Left to people: it may be the last superuser.
        differences.push(Difference::of_roles(
            None,
            format!("take SUPERUSER from {name}, which is left to people"),
            format!("surplus: SUPERUSER for {name}"),
        ));
    }
    if role.logs_in() && !attributes.logs_in {
        differences.push(Difference::of_roles(
            alter("LOGIN"),
            format!("let {name} log in"),
            format!("missing: LOGIN for {name}"),
        ));
    }
    if !role.logs_in() && attributes.logs_in {
        differences.push(Difference::of_roles(
            alter("NOLOGIN"),
            format!("take LOGIN from {name}"),
            format!("surplus: LOGIN for {name}"),
        ));
    }
    if !attributes.powers.is_empty() {
        let powers = attributes.powers.join(", ");
        let without: Vec<String> = attributes
            .powers
            .iter()
            .map(|power| format!("NO{power}"))
            .collect();
        differences.push(Difference::of_roles(
            alter(&without.join(" ")),
            format!("take {powers} from {name}"),
            format!("surplus: {powers} for {name}"),
        ));
    }
    differences
}

fn migrator(found: &Found, names: &Names) -> Vec<Difference> {
    let (owner, migrator) = (names.of(Role::Owner), names.of(Role::Migrator));
    let mut differences = Vec::new();
    if !found.migrator_is_member {
        differences.push(Difference::of_members(
            format!("GRANT {} TO {}", identifier(owner), identifier(migrator)),
            format!("grant {owner} to {migrator}"),
            format!("missing: membership of {migrator} in {owner}"),
        ));
    }
    if !found.migrator_becomes_owner {
        // New tables then belong to the owner, also after the migrator has been replaced.
        differences.push(Difference::of_members(
            format!(
                "ALTER ROLE {} IN DATABASE {} SET role = {}",
                identifier(migrator),
                identifier(&found.place.database),
                literal(owner)
            ),
            format!(
                "let {migrator} act as {owner} in database {}",
                found.place.database
            ),
            format!(
                "missing: {migrator} does not act as {owner} in database {}",
                found.place.database
            ),
        ));
    }
    differences
}

fn memberships(found: &Found, names: &Names) -> Vec<Difference> {
    let difference = |membership: &Membership| {
        let (member, group) = (names.of(membership.role), &membership.group);
        let revoke = format!("REVOKE {} FROM {}", identifier(group), identifier(member));
        let grantors = &membership.grantors;
        let by_each = grantors
            .iter()
            .map(|grantor| format!("{revoke} GRANTED BY {}", identifier(grantor)));
        let sql = match grantors.is_empty() {
            true => revoke.clone(),
            false => by_each.collect::<Vec<_>>().join("; "),
        };
        Difference::of_members(
            sql,
            format!("revoke {group} from {member}"),
            format!("surplus: membership of {member} in {group}"),
        )
    };
    found.memberships.iter().map(difference).collect()
}

/// Tables that do not belong to the owner; a database or schema that belongs to a role that must
/// not change it.
fn owners(found: &Found, names: &Names) -> Vec<Difference> {
    let owner = names.of(Role::Owner);
    let given = |stage: Stage, kind: &str, on: &str, name: &str, from: &str| Difference {
        stage,
        as_owner: false,
        sql: Some(format!("ALTER {kind} {on} OWNER TO {}", identifier(owner))),
        todo: format!("give {name} from {from} to {owner}"),
        finding: format!("differs: {name} belongs to {from}, not to {owner}"),
    };
    let is_user = |name: &str| Role::USERS.into_iter().any(|role| names.of(role) == name);
    let place = &found.place;
    let mut differences = Vec::new();
    for (kind, name, from) in [
        ("DATABASE", &place.database, &found.database_owner),
        ("SCHEMA", &place.schema, &found.schema_owner),
    ] {
        if is_user(from) {
            let words = format!("{} {name}", kind.to_lowercase());
            differences.push(given(Stage::Owners, kind, &identifier(name), &words, from));
        }
    }
    for table in found.tables.iter().filter(|table| table.owner != owner) {
        let on = format!("{}.{}", identifier(&place.schema), identifier(&table.name));
        differences.push(given(Stage::TableOwners, "TABLE", &on, &table.name, &table.owner));
    }
    differences
}

/// Passwords that are not those of the files, or may not be. `logins` says what could not be read;
/// where it says nothing, all is well.
pub(super) fn passwords(
    roles: &BTreeMap<Role, Attributes>,
    names: &Names,
    passwords: &Passwords,
    logins: &BTreeMap<Role, Login>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for role in Role::ALL {
        let (Some(attributes), Some(password)) = (roles.get(&role), passwords.of(role)) else {
            continue;
        };
        let (name, password) = (names.of(role), password.expose_secret());
        let finding = match (&attributes.stored, logins.get(&role)) {
            (Stored::Read(None), _) => format!("missing: password of {name}"),
            (Stored::Read(Some(stored)), _) if verifier::matches(password, stored) => continue,
            (Stored::Hidden, Some(Login::Right) | None) => continue,
            (Stored::Read(Some(_)), _) | (Stored::Hidden, Some(Login::Wrong)) => {
                format!("differs: password of {name} is not that of roles.{role}_password_file")
            }
            (Stored::Hidden, Some(Login::Unknown)) => {
                format!("unknown: whether {name} has the password of roles.{role}_password_file")
            }
        };
        let sql = format!(
            "ALTER ROLE {} PASSWORD {}",
            identifier(name),
            literal(&verifier::make(password))
        );
        differences.push(Difference::of_roles(
            Some(sql),
            format!("set the password of {name}"),
            finding,
        ));
    }
    differences
}
