//! What a `down.sql` drops, read from its text: the database is not asked, so nothing is locked.

use std::fmt;

use serde::Serialize;

/// A table or column that reverting a migration drops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataLoss {
    /// The table's name.
    pub table: String,
    /// The column's name; none when the whole table is dropped.
    pub column: Option<String>,
}

/// `table orders` or `column products.image`
impl fmt::Display for DataLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            None => write!(f, "table {}", self.table),
            Some(column) => write!(f, "column {}.{column}", self.table),
        }
    }
}

/// Several of them in one line.
pub(crate) fn list(losses: &[DataLoss]) -> String {
    losses
        .iter()
        .map(DataLoss::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What may follow `DROP` in `ALTER TABLE` and is no column.
const NO_COLUMN: [&str; 5] = ["constraint", "default", "not", "identity", "expression"];

/// The tables and columns that the statements drop. Statements inside a function are not seen.
pub(crate) fn of(sql: &str) -> Vec<DataLoss> {
    let text: Vec<&str> = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect();
    text.join("\n").split(';').flat_map(of_statement).collect()
}

fn of_statement(statement: &str) -> Vec<DataLoss> {
    let spaced = statement.replace(',', " , ");
    let mut words = spaced
        .split_whitespace()
        .filter(|word| !["if", "exists", "only"].contains(&word.to_lowercase().as_str()));
    let lower = |word: Option<&str>| word.unwrap_or_default().to_lowercase();
    match (lower(words.next()).as_str(), lower(words.next()).as_str()) {
        ("drop", "table") => words
            .filter(|word| ![",", "cascade", "restrict"].contains(&word.to_lowercase().as_str()))
            .map(|table| DataLoss {
                table: table.to_owned(),
                column: None,
            })
            .collect(),
        ("alter", "table") => {
            let table = words.next().unwrap_or_default();
            let actions: Vec<&str> = words.collect();
            let dropped = actions
                .split(|word| *word == ",")
                .filter_map(|action| match action {
                    [drop, column, name, ..]
                        if drop.eq_ignore_ascii_case("drop") && column.eq_ignore_ascii_case("column") =>
                    {
                        Some(*name)
                    }
                    [drop, name, ..]
                        if drop.eq_ignore_ascii_case("drop")
                            && !NO_COLUMN.contains(&name.to_lowercase().as_str()) =>
                    {
                        Some(*name)
                    }
                    _ => None,
                });
            dropped
                .map(|column| DataLoss {
                    table: table.to_owned(),
                    column: Some(column.to_owned()),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_columns_are_named_and_nothing_else() {
        for (sql, dropped) in [
            ("DROP TABLE a;", "table a"),
            (
                "-- DROP TABLE x;\ndrop table if exists a, b cascade;",
                "table a, table b",
            ),
            (
                "ALTER TABLE ONLY a DROP COLUMN IF EXISTS x, DROP y;",
                "column a.x, column a.y",
            ),
            (
                "ALTER TABLE a ADD COLUMN z int, DROP CONSTRAINT c, ALTER x DROP DEFAULT;",
                "",
            ),
            ("DROP INDEX CONCURRENTLY i;\nDROP DOMAIN d;", ""),
        ] {
            assert_eq!(list(&of(sql)), dropped, "{sql}");
        }
    }
}
