//! The migrations of this build, in diesel's format, and what their `metadata.toml` says.

use std::fmt;
use std::sync::LazyLock;

use diesel::connection::BoxableConnection;
use diesel::migration::{self, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One folder of `migrations/`, as the build script lists it.
struct Files {
    folder: &'static str,
    up: &'static str,
    down: &'static str,
    metadata: &'static str,
}

const FILES: &[Files] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// A reversible change of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1 without gaps; the four digits that the folder's name begins with.
    pub version: i32,
    /// The folder's name behind the digits: `shop` of `0001_shop`.
    pub name: String,
    /// What `metadata.toml` says.
    pub metadata: Metadata,
    /// The SQL that makes the change.
    pub up: String,
    /// The SQL that reverts the change.
    pub down: String,
    /// `0001`, as diesel's ledger has it.
    key: String,
}

/// The file `metadata.toml` of a migration. The diesel CLI reads `run_in_transaction` alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// True: the change and its ledger rows are one transaction. False: statement by statement, for
    /// what PostgreSQL refuses inside a transaction; it must then be possible to run it again after
    /// an interruption anywhere. Always named, since diesel takes a missing one for false.
    pub run_in_transaction: bool,
    /// The kind of change; names the span.
    pub step: Step,
    /// The oldest build that works with this schema: its newest migration must not be below.
    pub min_compatible_schema: i32,
    /// What builds before this format wrote into `schema_migrations`; only of migrations that they
    /// had.
    pub taken_over_from: Option<Checksums>,
}

/// SHA-256 of the two files of a migration, hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksums {
    /// Of `up.sql`.
    pub up_sha256: String,
    /// Of `down.sql`.
    pub down_sha256: String,
}

/// The kind of change that a migration makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// New tables with their constraints.
    CreateTables,
    /// Indexes only.
    CreateIndexes,
    /// Columns or constraints of tables that exist.
    AlterTables,
}

/// Whether a migration is applied or reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Applied, with `up.sql`.
    Up,
    /// Reverted, with `down.sql`.
    Down,
}

/// A migration whose files are not as they have to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{folder}: {problem}")]
pub struct BadMigration {
    folder: String,
    problem: String,
}

impl Migration {
    /// Reads the files of one folder; the SQL files begin with a comment that says why.
    ///
    /// # Errors
    /// [`BadMigration`] names the folder and what is wrong with it.
    pub fn parse(folder: &str, up: &str, down: &str, metadata: &str) -> Result<Self, BadMigration> {
        let bad = |problem: String| BadMigration {
            folder: folder.to_owned(),
            problem,
        };
        let (key, name) = folder.split_once('_').unwrap_or((folder, ""));
        let is_key = key.len() == 4 && key.bytes().all(|digit| digit.is_ascii_digit());
        let version = key
            .parse()
            .ok()
            .filter(|version| is_key && *version > 0 && !name.is_empty());
        let version =
            version.ok_or_else(|| bad("is not named as four digits above 0000, _ and a name".into()))?;
        let metadata: Metadata =
            toml::from_str(metadata).map_err(|error| bad(format!("metadata.toml: {}", error.message())))?;
        if !(1..=version).contains(&metadata.min_compatible_schema) {
            return Err(bad(format!(
                "metadata.toml: min_compatible_schema is not between 1 and {version}"
            )));
        }
        for (file, sql) in [("up.sql", up), ("down.sql", down)] {
            if purpose(sql).is_empty() {
                return Err(bad(format!("{file} does not begin with a comment that says why")));
            }
        }
        Ok(Self {
            version,
            name: name.to_owned(),
            metadata,
            up: up.to_owned(),
            down: down.to_owned(),
            key: key.to_owned(),
        })
    }

    /// `0001_shop/up.sql`
    #[must_use]
    pub fn up_file(&self) -> String {
        format!("{self}/up.sql")
    }

    /// `0001_shop/down.sql`
    #[must_use]
    pub fn down_file(&self) -> String {
        format!("{self}/down.sql")
    }

    /// SHA-256 of the two files' texts.
    #[must_use]
    pub fn checksums(&self) -> Checksums {
        Checksums {
            up_sha256: hex::encode(Sha256::digest(&self.up)),
            down_sha256: hex::encode(Sha256::digest(&self.down)),
        }
    }

    /// The checksums that builds before this format know.
    pub(crate) fn earlier_checksums(&self) -> Checksums {
        self.metadata
            .taken_over_from
            .clone()
            .unwrap_or_else(|| self.checksums())
    }

    /// The key in diesel's ledger: `0001`.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// The first line's comment; empty if there is none.
pub(crate) fn purpose(sql: &str) -> &str {
    let line = sql.lines().next().unwrap_or_default();
    line.strip_prefix("-- ").unwrap_or_default().trim()
}

/// `0001_shop`
impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.key, self.name)
    }
}

impl Direction {
    /// The word for what is done: the end of the span's name.
    pub(crate) fn kind(self, migration: &Migration) -> &'static str {
        match (self, migration.metadata.step) {
            (Self::Down, _) => "revert",
            (Self::Up, Step::CreateTables) => "createTables",
            (Self::Up, Step::CreateIndexes) => "createIndexes",
            (Self::Up, Step::AlterTables) => "alterTables",
        }
    }

    /// The name and the text of the file.
    pub(crate) fn file(self, migration: &Migration) -> (String, &str) {
        match self {
            Self::Up => (migration.up_file(), &migration.up),
            Self::Down => (migration.down_file(), &migration.down),
        }
    }
}

/// The migrations compiled into this program, from version 1 upwards without gaps.
///
/// # Errors
/// [`BadMigration`] when a folder is not as it has to be, which a test rules out.
pub fn embedded() -> Result<&'static [Migration], BadMigration> {
    static PARSED: LazyLock<Result<Vec<Migration>, BadMigration>> = LazyLock::new(|| {
        let parse = |it: &Files| Migration::parse(it.folder, it.up, it.down, it.metadata);
        FILES.iter().map(parse).collect()
    });
    PARSED.as_deref().map_err(Clone::clone)
}

/// [`embedded()`] for diesel: any of its harnesses runs them.
#[derive(Clone, Copy, Debug)]
pub struct Embedded;

impl MigrationSource<Pg> for Embedded {
    fn migrations(&self) -> migration::Result<Vec<Box<dyn migration::Migration<Pg>>>> {
        let boxed = |it: &Migration| Box::new(it.clone()) as Box<dyn migration::Migration<Pg>>;
        Ok(embedded()?.iter().map(boxed).collect())
    }
}

impl migration::Migration<Pg> for Migration {
    fn run(&self, connection: &mut dyn BoxableConnection<Pg>) -> migration::Result<()> {
        Ok(connection.batch_execute(&self.up)?)
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<Pg>) -> migration::Result<()> {
        Ok(connection.batch_execute(&self.down)?)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        &self.metadata
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

impl MigrationName for Migration {
    fn version(&self) -> MigrationVersion<'_> {
        self.key.as_str().into()
    }
}

impl MigrationMetadata for Metadata {
    fn run_in_transaction(&self) -> bool {
        self.run_in_transaction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: &str = "-- Why.\nSELECT 1;\n";
    const DOWN: &str = "-- Back.\nSELECT 1;\n";
    const METADATA: &str = "run_in_transaction = true\nstep = \"createTables\"\nmin_compatible_schema = 2\n";

    #[test]
    fn versions_count_from_one_without_gaps_to_the_version_the_code_was_written_for() {
        let versions: Vec<i32> = embedded().unwrap().iter().map(|it| it.version).collect();

        assert_eq!(versions, (1..=database::version::NEWEST).collect::<Vec<_>>());
    }

    #[test]
    fn a_migration_says_what_it_is() {
        let migration = Migration::parse("0003_menu", UP, DOWN, METADATA).unwrap();

        assert_eq!((migration.version, migration.name.as_str()), (3, "menu"));
        assert_eq!(migration.metadata.step, Step::CreateTables);
        assert!(migration.metadata.run_in_transaction);
        assert_eq!(migration.metadata.min_compatible_schema, 2);
        assert_eq!(migration.up_file(), "0003_menu/up.sql");
        // printf -- '-- Back.\nSELECT 1;\n' | sha256sum
        let sum = "00e3ce358a9c9b4721b5d4890460c6b8b2c529082a7690e9535cf60120008370";
        assert_eq!(migration.checksums().down_sha256, sum);
        assert_ne!(migration.checksums().up_sha256, sum);
    }

    #[test]
    fn anything_else_in_the_metadata_or_the_name_is_refused() {
        let bad = [
            ("3_menu", METADATA.to_owned()),
            ("0000_menu", METADATA.to_owned()),
            ("0003menu", METADATA.to_owned()),
            ("0003_menu", METADATA.replace("createTables", "createtables")),
            ("0003_menu", METADATA.replace("run_in_transaction = true\n", "")),
            ("0003_menu", METADATA.replace("schema = 2", "schema = \"two\"")),
            ("0003_menu", METADATA.replace("schema = 2", "schema = 4")),
            ("0003_menu", METADATA.replace("step =", "steps =")),
        ];
        for (folder, metadata) in bad {
            assert!(
                Migration::parse(folder, UP, DOWN, &metadata).is_err(),
                "{folder}: {metadata}"
            );
        }
        assert!(Migration::parse("0003_menu", "SELECT 1;", DOWN, METADATA).is_err());
        assert!(Migration::parse("0003_menu", UP, "SELECT 1;", METADATA).is_err());
    }
}
