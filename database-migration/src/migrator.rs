//! What a run is given: the database, the migrations, and the limits.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use database::Database;
use one_shot::Trigger;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, count};
use crate::roles::Names;
use crate::source::{BadMigration, Migration, embedded};

/// Changes the schema of one database; each command is a method.
pub struct Migrator {
    /// Where the database is.
    pub database: Database,
    /// From version 1 upwards without gaps.
    pub migrations: Vec<Migration>,
    /// Names this run in the logs and in `bootstrap_runs`.
    pub run_id: Uuid,
    /// The build that is written into the ledger and the record of the run.
    pub build: String,
    /// What started this run, for its record.
    pub trigger: Trigger,
    /// How long to wait for a database that cannot be reached; default none.
    pub wait_timeout: Duration,
    /// How long to wait for another migrator, and in each migration for the locks it needs; default
    /// 60 s.
    pub lock_timeout: Duration,
    /// How long the whole command may take, waiting included; default 5 min.
    pub timeout: Duration,
    /// Whether `down` may drop tables and columns; default no.
    pub allow_destructive: bool,
    /// Names of the database's roles; a migration that runs as the owner grants them their rights.
    pub roles: Names,
    /// Canceled when the run is to stop: the running migration is rolled back.
    pub stop: CancellationToken,
    /// The newest version applied, as far as this run has seen.
    seen: OnceLock<AtomicI32>,
}

/// The target of `down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// This many migrations.
    Steps(u32),
    /// Until this version is the newest applied; 0 reverts everything.
    To(i32),
}

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Names the run.
    pub run_id: Uuid,
    /// The newest version applied before the run.
    pub before: i32,
    /// The newest version applied after the run.
    pub after: i32,
    /// Attempts that were given up because a lock was not granted within 2 s.
    pub retries: usize,
    /// Partitions of the order tables that begin in the future, if nothing was applied.
    pub partitions_ahead: Option<u32>,
}

impl Done {
    /// The end of a sentence: empty, or `, 2 attempts given up for want of a lock`.
    #[must_use]
    pub fn given_up(&self) -> String {
        match self.retries {
            0 => String::new(),
            retries => format!(", {} given up for want of a lock", count(retries, "attempt")),
        }
    }
}

impl Migrator {
    /// A run with the migrations of this build and the default limits.
    ///
    /// # Errors
    /// [`BadMigration`], which a test rules out.
    pub fn new(database: Database) -> Result<Self, BadMigration> {
        Ok(Self {
            database,
            migrations: embedded()?.to_vec(),
            run_id: Uuid::now_v7(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            trigger: Trigger::default(),
            wait_timeout: Duration::ZERO,
            lock_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(300),
            allow_destructive: false,
            roles: Names::default(),
            stop: CancellationToken::new(),
            seen: OnceLock::new(),
        })
    }

    /// The newest version applied, as far as this run has seen; none before it has looked.
    #[must_use]
    pub fn version(&self) -> Option<i32> {
        self.seen.get().map(|version| version.load(Ordering::Relaxed))
    }

    /// The newest version of this build; 0 without migrations.
    #[must_use]
    pub fn newest(&self) -> i32 {
        self.migrations.last().map_or(0, |migration| migration.version)
    }

    /// The version asked for, or the newest of this build.
    pub(crate) fn target(&self, version: Option<i32>) -> Result<i32, Error> {
        let newest = self.newest();
        match version {
            None => Ok(newest),
            Some(asked) if (0..=newest).contains(&asked) => Ok(asked),
            Some(asked) => Err(Error::NoSuchVersion { asked, newest }),
        }
    }

    /// The migrations that a database at this version has.
    pub(crate) fn up_to(&self, version: i32) -> &[Migration] {
        let count = self.migrations.partition_point(|it| it.version <= version);
        self.migrations.get(..count).unwrap_or_default()
    }

    pub(crate) fn saw(&self, version: i32) {
        let seen = self.seen.get_or_init(AtomicI32::default);
        seen.store(version, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, before: i32, after: i32, retries: usize) -> Done {
        Done {
            run_id: self.run_id,
            before,
            after,
            retries,
            partitions_ahead: None,
        }
    }
}

impl fmt::Debug for Migrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrator")
            .field("database", &self.database.target())
            .field("newest", &self.newest())
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}
