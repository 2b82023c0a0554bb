//! What is not as it should be, and the statement that makes it so: compared by the server.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, GenericClient, Row};

use super::Names;

/// Compares the catalog with the roles and rights that should be there; waits for no lock.
const DIFFERENCES: &str = concat!(
    "WITH wanted_right AS (",
    include_str!("rights.sql"),
    "),",
    include_str!("differences.sql")
);

/// The order in which differences are done away with; each stage needs the ones before it. Rights
/// of an owner go with it, and taking a whole table back takes its columns back: so granting comes
/// last.
pub(super) const STAGES: [&str; 7] = [
    "roles",
    "members",
    "owners",
    "privileges",
    "table_owners",
    "revocations",
    "grants",
];

/// One thing that is not as it should be.
#[derive(Debug)]
pub(super) struct Difference {
    /// Whether the owner of the tables has to change it.
    pub(super) as_owner: bool,
    /// What changes it; none when that is left to people. May hold a verifier: never shown.
    pub(super) sql: Option<String>,
    /// `grant SELECT on orders to order_food_app`
    pub(super) todo: String,
    /// `missing: SELECT on orders for order_food_app`; none for a right that only the change needs.
    pub(super) finding: Option<String>,
}

/// Everything but passwords that is not as it should be, in order. With `of_owner`, tables of other
/// owners are passed over. Nothing is found without a schema.
pub(super) async fn read(
    client: &(impl GenericClient + Sync),
    names: &Names,
    stages: &[&str],
    of_owner: bool,
) -> Result<Vec<Difference>, Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&names.to_json(), Type::TEXT),
        (&stages, Type::TEXT_ARRAY),
        (&of_owner, Type::BOOL),
    ];
    let rows = client.query_typed(DIFFERENCES, &parameters).await?;
    let difference = |row: &Row| {
        Ok(Difference {
            as_owner: row.try_get(0)?,
            sql: row.try_get(1)?,
            todo: row.try_get(2)?,
            finding: row.try_get(3)?,
        })
    };
    rows.iter().map(difference).collect()
}

impl Difference {
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

#[cfg(test)]
mod tests {
    use test_support::TestDatabase;

    #[tokio::test]
    async fn every_table_of_the_migrations_has_rights_and_no_other() {
        let database = TestDatabase::migrated().await;
        let made = "SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            ORDER BY relname::text";
        let rights = include_str!("rights.sql");
        let listed =
            format!("SELECT DISTINCT name FROM ({rights}) AS listed WHERE object = 'table' ORDER BY name");

        assert_eq!(database.rows(made).await, database.rows(&listed).await);
    }
}
