//! The rights of each role; `docs/DATA.md` shows them as a table.

use serde_json::{Value, json};

use super::Role;

/// A right on the whole table or on some of its columns.
#[derive(Clone, Copy)]
pub(super) struct Right {
    pub(super) privilege: &'static str,
    pub(super) columns: Columns,
}

/// The columns of a [`Right`]. What a table does not have is passed over.
#[derive(Clone, Copy)]
pub(super) enum Columns {
    /// The table, with every column that it will ever have.
    All,
    /// These.
    Only(&'static [&'static str]),
    /// All but these; a column that a migration adds is granted when the rights are next brought in
    /// line.
    But(&'static [&'static str]),
}

/// What the roles may do with a table. The owner, and so the migrator, may do everything.
pub(super) struct Table {
    pub(super) name: &'static str,
    app: &'static [Right],
    loader: &'static [Right],
    worker: &'static [Right],
    readonly: &'static [Right],
}

impl Table {
    pub(super) fn rights(&self, role: Role) -> &'static [Right] {
        match role {
            Role::Owner | Role::Migrator => &[],
            Role::App => self.app,
            Role::Loader => self.loader,
            Role::Worker => self.worker,
            Role::Readonly => self.readonly,
        }
    }
}

const fn all(privilege: &'static str) -> Right {
    Right {
        privilege,
        columns: Columns::All,
    }
}

const fn only(privilege: &'static str, columns: &'static [&'static str]) -> Right {
    Right {
        privilege,
        columns: Columns::Only(columns),
    }
}

const fn but(privilege: &'static str, columns: &'static [&'static str]) -> Right {
    Right {
        privilege,
        columns: Columns::But(columns),
    }
}

const SELECT: Right = all("SELECT");
const INSERT: Right = all("INSERT");
const UPDATE: Right = all("UPDATE");
const DELETE: Right = all("DELETE");

/// Every table of the schema; a test holds this against the migrations.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "products",
        app: &[SELECT],
        loader: &[SELECT, INSERT, UPDATE],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "users",
        // The app needs the user of a key, not the user's name.
        app: &[only("SELECT", &["id", "active"])],
        loader: &[SELECT, INSERT, UPDATE],
        worker: &[],
        readonly: &[SELECT],
    },
    Table {
        name: "api_keys",
        app: &[SELECT],
        // Operators revoke; no load takes that back.
        loader: &[SELECT, INSERT, but("UPDATE", &["id", "revoked_at"])],
        worker: &[],
        readonly: &[but("SELECT", &["key_hash"])],
    },
    Table {
        name: "promotions",
        app: &[SELECT],
        loader: &[SELECT, INSERT, UPDATE],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "promotion_uses",
        // UPDATE is also what SELECT … FOR UPDATE asks for.
        app: &[SELECT, INSERT, only("UPDATE", &["uses"])],
        loader: &[SELECT, INSERT],
        // Jobs reject orders, whose uses are given back.
        worker: &[SELECT, only("UPDATE", &["uses"])],
        readonly: &[SELECT],
    },
    Table {
        name: "coupon_codes",
        app: &[SELECT],
        loader: &[SELECT, INSERT, DELETE],
        worker: &[],
        readonly: &[SELECT],
    },
    Table {
        name: "orders",
        app: &[SELECT, INSERT],
        loader: &[SELECT, INSERT],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "order_items",
        app: &[SELECT, INSERT],
        loader: &[SELECT, INSERT],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "order_states",
        app: &[SELECT, INSERT, but("UPDATE", &["order_id"])],
        loader: &[SELECT, INSERT],
        worker: &[SELECT, INSERT, but("UPDATE", &["order_id"])],
        readonly: &[SELECT],
    },
    Table {
        name: "order_events",
        app: &[SELECT, INSERT],
        loader: &[SELECT, INSERT],
        worker: &[SELECT, INSERT],
        readonly: &[SELECT],
    },
    Table {
        name: "order_life_cycle",
        app: &[SELECT],
        loader: &[SELECT],
        worker: &[SELECT, only("UPDATE", &["answered_until"])],
        readonly: &[SELECT],
    },
    Table {
        name: "idempotency_keys",
        // A key that has expired is taken again in place.
        app: &[SELECT, INSERT, but("UPDATE", &["api_key_id", "key"]), DELETE],
        loader: &[],
        // SELECT … FOR UPDATE asks for UPDATE of a column.
        worker: &[
            only("SELECT", &["api_key_id", "key", "expires_at"]),
            only("UPDATE", &["expires_at"]),
            DELETE,
        ],
        readonly: &[SELECT],
    },
    Table {
        name: "job",
        // Cancelling: a queued job moves to job_dead, a running one is marked. The console makes
        // one due.
        app: &[
            SELECT,
            INSERT,
            only("UPDATE", &["cancel_requested_at", "run_at"]),
            DELETE,
        ],
        loader: &[],
        worker: &[SELECT, INSERT, UPDATE, DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "job_worker",
        app: &[SELECT],
        loader: &[],
        worker: &[SELECT, INSERT, UPDATE, DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "job_dead",
        // Operators replay and purge in the console.
        app: &[
            SELECT,
            INSERT,
            only("UPDATE", &["replayed_as", "replayed_at"]),
            DELETE,
        ],
        loader: &[],
        worker: &[SELECT, INSERT, UPDATE, DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "job_result",
        app: &[SELECT],
        loader: &[],
        // A job that was replayed is done a second time.
        worker: &[SELECT, INSERT, but("UPDATE", &["public_id"]), DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "job_control",
        // Operators pause and resume in the console.
        app: &[SELECT, INSERT, UPDATE, DELETE],
        loader: &[],
        worker: &[SELECT, INSERT, UPDATE, DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "job_schedule",
        app: &[SELECT],
        loader: &[],
        worker: &[SELECT, INSERT, UPDATE],
        readonly: &[SELECT],
    },
    Table {
        name: "operator_actions",
        // Never changed; the worker removes what is beyond its retention.
        app: &[SELECT, INSERT],
        loader: &[],
        worker: &[SELECT, INSERT, DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "sales_daily",
        app: &[SELECT],
        loader: &[],
        worker: &[SELECT, INSERT, UPDATE, DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "sales_days_due",
        app: &[SELECT],
        loader: &[],
        worker: &[SELECT, INSERT, DELETE],
        readonly: &[SELECT],
    },
    Table {
        name: "sales_watermark",
        app: &[SELECT],
        loader: &[],
        worker: &[SELECT, INSERT, UPDATE],
        readonly: &[SELECT],
    },
    Table {
        name: "webhook_endpoints",
        app: &[SELECT, INSERT, but("UPDATE", &["id", "url", "created_at"])],
        loader: &[],
        worker: &[SELECT, but("UPDATE", &["id", "url", "events", "created_at"])],
        readonly: &[SELECT],
    },
    Table {
        name: "webhook_secrets",
        // A secret is made by a command and signs in a worker; in between it is not read.
        app: &[
            but("SELECT", &["secret"]),
            INSERT,
            only("UPDATE", &["expires_at"]),
            DELETE,
        ],
        loader: &[],
        worker: &[SELECT],
        readonly: &[but("SELECT", &["secret"])],
    },
    Table {
        name: "bootstrap_runs",
        app: &[SELECT],
        loader: &[SELECT, INSERT, UPDATE],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "dataset_versions",
        app: &[SELECT],
        loader: &[SELECT, INSERT, UPDATE, DELETE],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "dataset_rows",
        app: &[],
        loader: &[SELECT, INSERT, DELETE],
        worker: &[],
        // The rows of api_keys hold the hashes.
        readonly: &[but("SELECT", &["row"])],
    },
    Table {
        name: "__diesel_schema_migrations",
        app: &[SELECT],
        loader: &[SELECT],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "migration_details",
        app: &[SELECT],
        loader: &[SELECT],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
    Table {
        name: "schema_migrations",
        app: &[SELECT],
        loader: &[SELECT],
        worker: &[SELECT],
        readonly: &[SELECT],
    },
];

/// What the roles may do with tables that are not listed: made by hand, or by a build that knows
/// more.
pub(super) const FUTURE: &[(Role, &str)] = &[
    (Role::App, "SELECT"),
    (Role::Loader, "SELECT"),
    (Role::Worker, "SELECT"),
    (Role::Readonly, "SELECT"),
];

pub(super) const DATABASE: &[(Role, &str)] = &[
    // `down`, `plan` and `validate` try migrations on tables that go with the session.
    (Role::Owner, "TEMPORARY"),
    (Role::Migrator, "CONNECT"),
    (Role::App, "CONNECT"),
    (Role::Loader, "CONNECT"),
    (Role::Worker, "CONNECT"),
    (Role::Readonly, "CONNECT"),
];

pub(super) const SCHEMA: &[(Role, &str)] = &[
    (Role::Owner, "USAGE"),
    (Role::Owner, "CREATE"),
    (Role::App, "USAGE"),
    (Role::Loader, "USAGE"),
    (Role::Worker, "USAGE"),
    (Role::Readonly, "USAGE"),
];

/// All of it, as `differences.sql` reads it.
pub(super) fn to_json() -> String {
    let mut rights = Vec::new();
    for (object, plain) in [("database", DATABASE), ("schema", SCHEMA), ("future", FUTURE)] {
        rights.extend(plain.iter().map(
            |(role, privilege)| json!({ "object": object, "role": role.to_string(), "privilege": privilege }),
        ));
    }
    for table in TABLES {
        for role in Role::USERS {
            rights.extend(table.rights(role).iter().map(|right| {
                let (columns, excluded) = match right.columns {
                    Columns::All => (None, false),
                    Columns::Only(names) => (Some(names), false),
                    Columns::But(names) => (Some(names), true),
                };
                json!({
                    "object": "table",
                    "name": table.name,
                    "role": role.to_string(),
                    "privilege": right.privilege,
                    "columns": columns,
                    "excluded": excluded,
                })
            }));
        }
    }
    Value::Array(rights).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use test_support::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn every_table_of_the_migrations_is_listed_and_no_other() {
        let database = TestDatabase::migrated().await;
        let tables = "SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition";

        let made: BTreeSet<String> = database.rows(tables).await.into_iter().flatten().collect();
        let listed: BTreeSet<String> = TABLES.iter().map(|table| table.name.to_owned()).collect();
        assert_eq!(made, listed);
    }
}
