//! What the ledger means for the migrations of this build; pure.

use crate::error::Error;
use crate::ledger::Applied;
use crate::migration::Migration;

/// Where a database stands, seen from this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The newest applied version; 0 when nothing is applied.
    pub version: i32,
    /// The newest version of this build; 0 without migrations.
    pub newest: i32,
    /// The oldest build that can work with the schema: its newest migration must not be below.
    pub min_compatible: i32,
}

impl Standing {
    /// Compares the ledger with the migrations of this build; both in order of version.
    ///
    /// # Errors
    /// [`Error::Edited`], [`Error::Unknown`] or [`Error::Gap`] when the two contradict each other;
    /// [`Error::Newer`] when the schema no longer allows this build.
    pub fn of(migrations: &[Migration], applied: &[Applied]) -> Result<Self, Error> {
        let standing = Self {
            version: applied.last().map_or(0, |last| last.version),
            newest: migrations.last().map_or(0, |last| last.version),
            min_compatible: applied
                .iter()
                .map(|row| row.min_compatible_schema)
                .max()
                .unwrap_or(0),
        };
        if let Some(problem) = problems(migrations, applied).into_iter().next() {
            return Err(problem);
        }
        if standing.version > standing.newest && standing.min_compatible > standing.newest {
            return Err(Error::Newer {
                version: standing.version,
                min_compatible: standing.min_compatible,
                newest: standing.newest,
            });
        }
        Ok(standing)
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
            .filter(|migration| range.contains(&migration.version))
            .collect()
    }
}

/// How the ledger contradicts the migrations of this build, by version; a gap comes last.
pub(crate) fn problems(migrations: &[Migration], applied: &[Applied]) -> Vec<Error> {
    let newest = migrations.last().map_or(0, |last| last.version);
    let version = applied.last().map_or(0, |last| last.version);
    let is_applied = |migration: &&Migration| applied.iter().any(|row| row.version == migration.version);
    let known = applied.iter().filter(|row| row.version <= newest);
    let contradictions = known.filter_map(|row| {
        let migration = migrations.iter().find(|it| it.version == row.version);
        match migration {
            Some(migration) => check(migration, row).err(),
            None => Some(unknown(row)),
        }
    });
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
    Error::Unknown {
        version: row.version,
        name: row.name.clone(),
    }
}

/// An applied migration must be the one this build knows, to the byte.
fn check(migration: &Migration, row: &Applied) -> Result<(), Error> {
    if migration.name != row.name {
        return Err(unknown(row));
    }
    let sums = [
        (migration.up_file(), migration.up_sha256(), &row.up_sha256),
        (migration.down_file(), migration.down_sha256(), &row.down_sha256),
    ];
    match sums
        .into_iter()
        .find(|(_, here, there)| here.as_slice() != there.as_slice())
    {
        None => Ok(()),
        Some((file, here, there)) => Err(Error::Edited {
            file,
            applied: hex::encode(there),
            embedded: hex::encode(here),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: i32) -> Migration {
        let header = "-- Why.\n-- step: createTables\n-- transaction: yes\n-- min-compatible-schema: 1\n";
        Migration::parse(&format!("{version:04}_it"), header, "-- Back.\n").unwrap()
    }

    fn row(version: i32) -> Applied {
        let migration = migration(version);
        Applied {
            version,
            name: migration.name.clone(),
            up_sha256: migration.up_sha256().to_vec(),
            down_sha256: migration.down_sha256().to_vec(),
            applied_at: String::new(),
            duration_ms: 0,
            build: String::new(),
            min_compatible_schema: 1,
        }
    }

    fn pending(applied: &[Applied], to: i32) -> Vec<i32> {
        let migrations = [migration(1), migration(2), migration(3)];
        let standing = Standing::of(&migrations, applied).unwrap();
        standing
            .pending(&migrations, to)
            .iter()
            .map(|migration| migration.version)
            .collect()
    }

    fn refusal(applied: &[Applied]) -> Error {
        Standing::of(&[migration(1), migration(2), migration(3)], applied).unwrap_err()
    }

    #[test]
    fn what_is_not_in_the_ledger_is_pending() {
        assert_eq!(pending(&[], 3), [1, 2, 3]);
        assert_eq!(pending(&[row(1)], 3), [2, 3]);
        assert_eq!(pending(&[row(1)], 2), [2]);
        assert_eq!(pending(&[row(1), row(2), row(3)], 3), [0; 0]);
    }

    #[test]
    fn an_edited_file_is_named_with_both_sums() {
        let edited = Applied {
            down_sha256: vec![0xab; 32],
            ..row(1)
        };

        let message = refusal(&[edited]).to_string();
        assert!(message.contains("0001_it.down.sql"), "{message}");
        assert!(message.contains(&"ab".repeat(32)), "{message}");
        assert!(
            message.contains(&hex::encode(migration(1).down_sha256())),
            "{message}"
        );
    }

    #[test]
    fn a_ledger_of_another_history_is_refused() {
        let renamed = Applied {
            name: "other".into(),
            ..row(1)
        };

        assert!(matches!(refusal(&[renamed]), Error::Unknown { version: 1, .. }));
        assert!(matches!(
            refusal(&[row(1), row(3)]),
            Error::Gap { version: 3, .. }
        ));
        assert!(matches!(
            refusal(&[row(1), row(2), row(4)]),
            Error::Gap { version: 4, .. }
        ));
    }

    #[test]
    fn a_newer_schema_is_accepted_as_long_as_it_allows_this_build() {
        let newer = |min_compatible_schema| Applied {
            min_compatible_schema,
            ..row(4)
        };
        let rows = |last| vec![row(1), row(2), row(3), last];

        assert_eq!(pending(&rows(newer(3)), 3), [0; 0]);
        assert!(matches!(
            refusal(&rows(newer(4))),
            Error::Newer {
                version: 4,
                min_compatible: 4,
                newest: 3
            }
        ));
    }
}
