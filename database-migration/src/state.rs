//! What the ledger means for the migrations of this build; pure.

use crate::error::Error;
use crate::ledger::{Applied, Ledger};
use crate::source::Migration;

/// The state of a schema, seen from this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaState {
    /// The newest applied version; 0 when nothing is applied.
    pub version: i32,
    /// The newest version of this build; 0 without migrations.
    pub newest: i32,
    /// The oldest build that works with the schema: its newest migration must not be below.
    pub min_compatible: i32,
    /// Migrations that another program applied, such as the diesel CLI: `0001_shop`.
    pub unverified: Vec<String>,
    /// Partitions of the order tables that begin in the future; none before they are partitioned.
    pub partitions_ahead: Option<u32>,
    /// The ledger needs no work before it can be written to.
    pub(crate) is_complete: bool,
}

impl SchemaState {
    /// Compares the ledger with the migrations of this build; both in order of version.
    ///
    /// # Errors
    /// [`Error::Edited`], [`Error::Unknown`] or [`Error::Gap`] when the two contradict each other;
    /// [`Error::Newer`] when the schema no longer allows this build.
    pub(crate) fn of(migrations: &[Migration], ledger: &Ledger) -> Result<Self, Error> {
        let applied = &ledger.applied;
        let state = Self {
            version: ledger.version(),
            newest: migrations.last().map_or(0, |last| last.version),
            min_compatible: applied.iter().map(Applied::min_compatible).max().unwrap_or(0),
            unverified: unverified(migrations, applied)
                .map(Migration::to_string)
                .collect(),
            partitions_ahead: ledger.partitions_ahead,
            is_complete: ledger.is_complete,
        };
        if let Some(problem) = problems(migrations, applied).into_iter().next() {
            return Err(problem);
        }
        if state.is_newer() && state.min_compatible > state.newest {
            return Err(Error::Newer {
                version: state.version,
                min_compatible: state.min_compatible,
                newest: state.newest,
            });
        }
        Ok(state)
    }

    /// Whether the database has migrations that this build does not know.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.version > self.newest
    }

    /// What has yet to be applied, up to and including version `to`.
    #[must_use]
    pub fn pending<'a>(&self, migrations: &'a [Migration], to: i32) -> Vec<&'a Migration> {
        let range = self.version + 1..=to;
        migrations
            .iter()
            .filter(|it| range.contains(&it.version))
            .collect()
    }
}

impl Applied {
    /// The oldest build that works with the schema; of an unverified version only one that has it.
    fn min_compatible(&self) -> i32 {
        let details = self.details.as_ref();
        details.map_or(self.version, |it| it.min_compatible_schema)
    }
}

/// The migrations of this build whose rows have no details.
pub(crate) fn unverified<'a>(
    migrations: &'a [Migration],
    applied: &[Applied],
) -> impl Iterator<Item = &'a Migration> {
    let is_unverified = |it: &&Migration| {
        applied
            .iter()
            .any(|row| row.version == it.version && row.details.is_none())
    };
    migrations.iter().filter(is_unverified)
}

/// How the ledger contradicts the migrations of this build, by version; a gap comes last.
pub(crate) fn problems(migrations: &[Migration], applied: &[Applied]) -> Vec<Error> {
    let newest = migrations.last().map_or(0, |last| last.version);
    let version = applied.last().map_or(0, |last| last.version);
    let is_applied = |migration: &&Migration| applied.iter().any(|row| row.version == migration.version);
    let known = applied.iter().filter(|row| row.version <= newest);
    let contradictions =
        known.filter_map(
            |row| match migrations.iter().find(|it| it.version == row.version) {
                Some(migration) => check(migration, row).err(),
                None => Some(unknown(row)),
            },
        );
    let gap = migrations
        .iter()
        .filter(|migration| migration.version < version)
        .find(|migration| !is_applied(migration))
        .map(|missing| Error::Gap {
            file: missing.up_file(),
            version,
        });
    contradictions.chain(gap).collect()
}

fn unknown(row: &Applied) -> Error {
    let name = row
        .details
        .as_ref()
        .map_or("applied by another program", |details| &details.name);
    Error::Unknown {
        version: row.version,
        name: name.to_owned(),
    }
}

/// An applied migration must be the one this build knows, to the byte.
fn check(migration: &Migration, row: &Applied) -> Result<(), Error> {
    let Some(details) = &row.details else {
        return Ok(());
    };
    if migration.name != details.name {
        return Err(unknown(row));
    }
    match differing_files(migration, row).next() {
        None => Ok(()),
        Some((file, applied, embedded)) => Err(Error::Edited {
            file,
            applied,
            embedded,
        }),
    }
}

/// The files that differ from those that were applied, with both checksums: applied and embedded.
pub(crate) fn differing_files(
    migration: &Migration,
    row: &Applied,
) -> impl Iterator<Item = (String, String, String)> {
    let here = match row.is_earlier {
        true => migration.earlier_checksums(),
        false => migration.checksums(),
    };
    let there = row
        .details
        .as_ref()
        .map_or_else(|| here.clone(), |it| it.checksums.clone());
    [
        (migration.up_file(), there.up_sha256, here.up_sha256),
        (migration.down_file(), there.down_sha256, here.down_sha256),
    ]
    .into_iter()
    .filter(|(_, there, here)| there != here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Details;

    fn migration(version: i32) -> Migration {
        let metadata = "run_in_transaction = true\nstep = \"createTables\"\nmin_compatible_schema = 1\n";
        Migration::parse(&format!("{version:04}_it"), "-- Why.\n", "-- Back.\n", metadata).unwrap()
    }

    fn row(version: i32) -> Applied {
        let migration = migration(version);
        Applied {
            version,
            applied_at: String::new(),
            details: Some(Details {
                name: migration.name.clone(),
                checksums: migration.checksums(),
                duration_ms: Some(0),
                build: String::new(),
                min_compatible_schema: 1,
            }),
            is_earlier: false,
        }
    }

    fn changed(version: i32, change: impl FnOnce(&mut Details)) -> Applied {
        let mut row = row(version);
        change(row.details.as_mut().unwrap());
        row
    }

    /// The pending and the unverified migrations of three, or the refusal.
    fn state(applied: &[Applied]) -> String {
        let migrations = [migration(1), migration(2), migration(3)];
        let ledger = Ledger {
            applied: applied.to_vec(),
            standby: false,
            is_complete: true,
            partitions_ahead: None,
        };
        match SchemaState::of(&migrations, &ledger) {
            Ok(state) => {
                let pending: Vec<i32> = state
                    .pending(&migrations, 3)
                    .iter()
                    .map(|it| it.version)
                    .collect();
                format!("pending {pending:?}, unverified {:?}", state.unverified)
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_ledger_decides_what_is_pending_and_what_is_refused() {
        let edited = changed(1, |it| it.checksums.down_sha256 = "ab".repeat(32));
        let renamed = changed(1, |it| it.name = "other".into());
        let newer = |oldest| changed(4, |it| it.min_compatible_schema = oldest);
        let bare = |version| Applied {
            details: None,
            ..row(version)
        };
        let edited_message = format!(
            "0001_it/down.sql was edited after it was applied: SHA-256 {} was applied, this build has {}",
            "ab".repeat(32),
            migration(1).checksums().down_sha256
        );
        let too_new =
            "the database is at version 4 and needs a build of version 4 or later; this build has 3";
        for (applied, expected) in [
            (vec![], "pending [1, 2, 3], unverified []"),
            (vec![row(1)], "pending [2, 3], unverified []"),
            (vec![row(1), row(2), row(3)], "pending [], unverified []"),
            (vec![edited], &edited_message),
            (
                vec![renamed],
                "the ledger has migration 1 (other), which this build does not have",
            ),
            (
                vec![row(1), row(3)],
                "0002_it/up.sql was never applied although the database is at version 3",
            ),
            (
                vec![row(1), row(2), row(4)],
                "0003_it/up.sql was never applied although the database is at version 4",
            ),
            (
                vec![row(1), row(2), row(3), newer(3)],
                "pending [], unverified []",
            ),
            (vec![row(1), row(2), row(3), newer(4)], too_new),
            (
                vec![row(1), bare(2), row(3)],
                r#"pending [], unverified ["0002_it"]"#,
            ),
            (vec![row(1), row(2), row(3), bare(4)], too_new),
        ] {
            assert_eq!(state(&applied), expected);
        }
    }
}
