//! One migration: its SQL files and what their headers say.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A reversible change of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1 without gaps; the digits that the file names begin with.
    pub version: i32,
    /// The file names between the digits and `.up.sql`: `shop` of `0001_shop.up.sql`.
    pub name: String,
    /// What kind of change it is; names its span.
    pub step: Step,
    /// Whether it runs in a transaction.
    pub transaction: Transaction,
    /// The oldest build that can work with this schema: its newest migration must not be below.
    pub min_compatible_schema: i32,
    /// The SQL that makes the change.
    pub up: String,
    /// The SQL that takes it back.
    pub down: String,
}

/// What kind of change a migration is: the header `-- step: …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `createTables`: new tables with their constraints.
    CreateTables,
    /// `createIndexes`: indexes only.
    CreateIndexes,
    /// `alterTables`: columns or constraints of tables that exist.
    AlterTables,
}

/// Whether a migration runs in a transaction: the header `-- transaction: …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// `yes`: all of it and its row in the ledger, or nothing.
    Yes,
    /// `none`: statement by statement, for what PostgreSQL refuses inside a transaction. Such a
    /// migration must be one that can be run again after it was interrupted anywhere.
    None,
}

/// A migration file that does not say what it must say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct BadMigration {
    file: String,
    problem: String,
}

impl Migration {
    /// Reads the two files of one migration; `stem` is their name before `.up.sql` and `.down.sql`.
    ///
    /// The first line of each is a comment that says why. In the up file the lines `-- step: …`,
    /// `-- transaction: yes|none` and `-- min-compatible-schema: N` follow, in this order.
    ///
    /// # Errors
    /// [`BadMigration`] names the file and what is wrong with it.
    pub fn parse(stem: &str, up: &str, down: &str) -> Result<Self, BadMigration> {
        let bad = |problem: &str| BadMigration {
            file: stem.to_owned(),
            problem: problem.to_owned(),
        };
        let (digits, name) = stem
            .split_once('_')
            .ok_or_else(|| bad("is not named NNNN_name"))?;
        let is_version = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit());
        let version = digits.parse().ok().filter(|version| is_version && *version > 0);
        let version = version.ok_or_else(|| bad("does not begin with four digits above 0000"))?;

        let header = Header::parse(up).map_err(|problem| bad(&format!(".up.sql {problem}")))?;
        if header.min_compatible_schema < 1 || header.min_compatible_schema > version {
            return Err(bad(&format!(
                ".up.sql min-compatible-schema is not between 1 and {version}"
            )));
        }
        why(down).ok_or_else(|| bad(".down.sql does not begin with a comment that says why"))?;
        Ok(Self {
            version,
            name: name.to_owned(),
            step: header.step,
            transaction: header.transaction,
            min_compatible_schema: header.min_compatible_schema,
            up: up.to_owned(),
            down: down.to_owned(),
        })
    }

    /// The name of the file that makes the change.
    #[must_use]
    pub fn up_file(&self) -> String {
        format!("{self}.up.sql")
    }

    /// The name of the file that takes the change back.
    #[must_use]
    pub fn down_file(&self) -> String {
        format!("{self}.down.sql")
    }

    /// SHA-256 of the up file's text.
    #[must_use]
    pub fn up_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.up).into()
    }

    /// SHA-256 of the down file's text.
    #[must_use]
    pub fn down_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.down).into()
    }
}

/// `0001_shop`
impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}_{}", self.version, self.name)
    }
}

impl Step {
    const ALL: [Self; 3] = [Self::CreateTables, Self::CreateIndexes, Self::AlterTables];

    /// The word in the header and at the end of the span's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::CreateTables => "createTables",
            Self::CreateIndexes => "createIndexes",
            Self::AlterTables => "alterTables",
        }
    }
}

struct Header {
    step: Step,
    transaction: Transaction,
    min_compatible_schema: i32,
}

impl Header {
    fn parse(text: &str) -> Result<Self, String> {
        why(text).ok_or("does not begin with a comment that says why")?;
        let mut lines = text.lines().skip(1);
        let mut directive = |name: &str| {
            let line = lines.next().unwrap_or_default();
            let value = line
                .strip_prefix("-- ")
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.ok_or_else(|| format!("has {line:?} where `-- {name}: …` is expected"))
        };
        let step = directive("step")?;
        let transaction = directive("transaction")?;
        let schema = directive("min-compatible-schema")?;
        Ok(Self {
            step: Step::ALL
                .into_iter()
                .find(|known| known.word() == step)
                .ok_or_else(|| format!("has an unknown step {step:?}"))?,
            transaction: match transaction {
                "yes" => Transaction::Yes,
                "none" => Transaction::None,
                _ => {
                    return Err(format!(
                        "has transaction {transaction:?}, which is neither yes nor none"
                    ));
                }
            },
            min_compatible_schema: schema
                .parse()
                .map_err(|_| format!("has min-compatible-schema {schema:?}, which is no number"))?,
        })
    }
}

/// The first line's comment.
fn why(text: &str) -> Option<&str> {
    text.lines()
        .next()?
        .strip_prefix("-- ")
        .filter(|why| !why.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: &str =
        "-- Why.\n-- step: createTables\n-- transaction: yes\n-- min-compatible-schema: 2\n\nSELECT 1;\n";
    const DOWN: &str = "-- Back.\nSELECT 1;\n";

    #[test]
    fn a_migration_says_what_it_is() {
        let migration = Migration::parse("0003_menu", UP, DOWN).unwrap();

        assert_eq!((migration.version, migration.name.as_str()), (3, "menu"));
        assert_eq!(
            (migration.step, migration.transaction),
            (Step::CreateTables, Transaction::Yes)
        );
        assert_eq!(migration.min_compatible_schema, 2);
        assert_eq!(migration.up_file(), "0003_menu.up.sql");
    }

    #[test]
    fn the_sum_is_that_of_the_files_text() {
        let migration = Migration::parse("0003_menu", UP, DOWN).unwrap();

        // printf -- '-- Back.\nSELECT 1;\n' | sha256sum
        let sum = "00e3ce358a9c9b4721b5d4890460c6b8b2c529082a7690e9535cf60120008370";
        assert_eq!(hex::encode(migration.down_sha256()), sum);
        assert_ne!(migration.up_sha256(), migration.down_sha256());
    }

    #[test]
    fn anything_else_in_a_header_is_refused() {
        let bad = [
            ("3_menu", UP.to_owned()),
            ("0000_menu", UP.to_owned()),
            ("0003menu", UP.to_owned()),
            ("0003_menu", UP.replace("-- Why.", "")),
            ("0003_menu", UP.replace("createTables", "createtables")),
            ("0003_menu", UP.replace("-- step", "--step")),
            ("0003_menu", UP.replace("transaction: yes", "transaction: no")),
            ("0003_menu", UP.replace("schema: 2", "schema: two")),
            ("0003_menu", UP.replace("schema: 2", "schema: 4")),
            ("0003_menu", UP.replace("-- transaction: yes\n", "")),
        ];
        for (stem, up) in bad {
            assert!(Migration::parse(stem, &up, DOWN).is_err(), "{stem}: {up}");
        }
        assert!(Migration::parse("0003_menu", UP, "SELECT 1;").is_err());
    }
}
