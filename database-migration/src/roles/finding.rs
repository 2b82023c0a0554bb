//! One difference between the roles as they are and as they should be.

/// The order in which differences are done away with; each needs the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Roles with their attributes and passwords.
    Roles,
    /// Memberships.
    Members,
    /// Owners of the database and of the schema. Rights of an owner go with it, so granting comes
    /// later.
    Owners,
    /// Rights on the database, the schema, and tables to come.
    Privileges,
    /// Owners of the tables.
    TableOwners,
    /// Rights on tables that are too much.
    Revocations,
    /// Rights on tables that are missing.
    Grants,
}

impl Stage {
    pub(super) const ALL: [Self; 7] = [
        Self::Roles,
        Self::Members,
        Self::Owners,
        Self::Privileges,
        Self::TableOwners,
        Self::Revocations,
        Self::Grants,
    ];
}

/// One thing that is not as it should be.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) stage: Stage,
    /// Whether the owner of the tables has to change it.
    pub(super) as_owner: bool,
    /// What changes it; none when that is left to people. May hold a verifier: never shown.
    pub(super) sql: Option<String>,
    /// `grant SELECT on orders to order_food_app`
    pub(super) todo: String,
    /// `missing: SELECT on orders for order_food_app`
    pub(super) finding: String,
}

impl Difference {
    pub(super) fn of_roles(sql: Option<String>, todo: String, finding: String) -> Self {
        Self {
            stage: Stage::Roles,
            as_owner: false,
            sql,
            todo,
            finding,
        }
    }

    pub(super) fn of_members(sql: String, todo: String, finding: String) -> Self {
        Self {
            stage: Stage::Members,
            ..Self::of_roles(Some(sql), todo, finding)
        }
    }

    /// What it says once it is done: `granted SELECT on orders to order_food_app`.
    pub(super) fn done(&self) -> String {
        let (verb, rest) = self.todo.split_once(' ').unwrap_or((&self.todo, ""));
        let past = match verb {
            "set" => "set",
            "make" => "made",
            "let" => "let",
            "take" => "took",
            "give" => "gave",
            verb if verb.ends_with('e') => return format!("{verb}d {rest}"),
            verb => return format!("{verb}ed {rest}"),
        };
        format!("{past} {rest}")
    }
}
