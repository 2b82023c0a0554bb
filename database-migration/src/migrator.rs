//! The commands: `up`, `down`, `wait`, `status`, `plan`, `validate` and `repair`.

use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use database::Database;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;

use crate::embedded::embedded;
use crate::error::{Error, count};
use crate::event::Event;
use crate::execute::Direction;
use crate::limit::Limit;
use crate::migration::{BadMigration, Migration};
use crate::roles::Names;
use crate::run::Run;
use crate::standing::Standing;
use crate::status::Status;

/// Changes the schema of one database.
pub struct Migrator {
    /// Where the database is.
    pub database: Database,
    /// From version 1 upwards without gaps.
    pub migrations: Vec<Migration>,
    /// Names this run in the logs and in `bootstrap_runs`.
    pub run_id: Uuid,
    /// The build that is written into the ledger and the audit.
    pub build: String,
    /// How long to wait for a database that cannot be reached; default none.
    pub wait_timeout: Duration,
    /// How long to wait for another migrator, and in each migration for the locks it needs; default 60 s.
    pub lock_timeout: Duration,
    /// How long the whole command may take, whatever it waits for; default 5 min.
    pub timeout: Duration,
    /// Whether going back may drop tables and columns that hold rows; default no.
    pub allow_destructive: bool,
    /// What the database's roles are called; a migration that runs as the owner gives them their rights.
    pub roles: Names,
    /// Cancelled when the run is to stop: the running migration is rolled back.
    pub stop: CancellationToken,
    /// Called with everything that the run tells, which the log says, too; default nothing.
    pub observer: Observer,
    /// The newest version applied, as far as this run has seen.
    seen: OnceLock<AtomicI32>,
}

/// Watches a run.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// This many migrations.
    Steps(u32),
    /// Until this version is the newest applied; 0 takes back everything.
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
    /// Attempts that were given up because a lock was not to be had within 2 s.
    pub retries: u32,
}

impl Done {
    /// How often a migration gave up for want of a lock, to be put behind a sentence: empty, or `, 2 attempts …`.
    #[must_use]
    pub fn given_up(&self) -> String {
        match self.retries {
            0 => String::new(),
            retries => format!(", {} given up for want of a lock", count(retries, "attempt")),
        }
    }
}

/// Brings a database that can be reached to the newest version of this build.
///
/// # Errors
/// Every [`Error`]; what was applied before it stays.
pub async fn up(database: &Database) -> Result<Done, Error> {
    Migrator::new(database.clone())?.up(None).await
}

impl Migrator {
    /// A run with the migrations of this build and the default limits.
    ///
    /// # Errors
    /// [`BadMigration`] when a file's header is wrong, which a test rules out.
    pub fn new(database: Database) -> Result<Self, BadMigration> {
        Ok(Self {
            database,
            migrations: embedded()?.to_vec(),
            run_id: Uuid::now_v7(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            wait_timeout: Duration::ZERO,
            lock_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(300),
            allow_destructive: false,
            roles: Names::default(),
            stop: CancellationToken::new(),
            observer: Arc::new(|_| {}),
            seen: OnceLock::new(),
        })
    }

    /// Applies what is missing, up to version `to` or everything; a database that is further stays.
    ///
    /// When nothing is missing this is one `SELECT`. However many run at once, each migration is
    /// applied once.
    ///
    /// # Errors
    /// Every [`Error`]; what was applied before it stays.
    pub async fn up(&self, to: Option<i32>) -> Result<Done, Error> {
        let to = self.asked(to)?;
        let run = self.start("up");
        run.announce();
        let client = run.connect().await?;
        let standing = run.standing_or_record(&client).await?;
        if standing.is_newer() {
            run.tell(Event::Warning {
                message: format!(
                    "the database is at version {}, newer than this build ({}), and still allows it (from {})",
                    standing.version, standing.newest, standing.min_compatible
                ),
            });
        }
        if standing.pending(&self.migrations, to).is_empty() {
            return Ok(self.done(standing.version, standing.version, 0));
        }
        run.change(client, Direction::Up, |standing| {
            Ok(standing.pending(&self.migrations, to))
        })
        .await
    }

    /// Takes migrations back, the newest first. Tables and columns that hold rows are dropped only if
    /// [`allow_destructive`](Self::allow_destructive) says so.
    ///
    /// # Errors
    /// Every [`Error`]; what was taken back before it stays so.
    pub async fn down(&self, back: Back) -> Result<Done, Error> {
        let run = self.start("down");
        run.announce();
        let client = run.connect().await?;
        let standing = run.standing_or_record(&client).await?;
        let Some(oldest) = self.to_take_back(&standing, back)?.pop() else {
            return Ok(self.done(standing.version, standing.version, 0));
        };
        // Steps count from what was there when they were asked for: two copies at once go back once.
        let target = oldest.version - 1;
        run.change(client, Direction::Down, |standing| {
            match standing.version > target {
                true => self.to_take_back(standing, Back::To(target)),
                false => Ok(Vec::new()),
            }
        })
        .await
    }

    /// What is applied and what is not.
    ///
    /// # Errors
    /// [`Error::Connect`] and [`Error::Database`]; whatever the ledger says is part of the answer.
    pub async fn status(&self) -> Result<Status, Error> {
        let run = self.start("status");
        let client = run.connect().await?;
        let ledger = run.ledger(&client, run.patience()).await?;
        Ok(Status::of(
            self.database.target(),
            &self.migrations,
            &ledger.applied,
        ))
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

    /// A command begins.
    pub(crate) fn start(&self, command: &'static str) -> Run<'_> {
        Run {
            migrator: self,
            command,
            limit: Limit::new(&self.stop, self.timeout),
        }
    }

    /// The version asked for, or the newest of this build.
    pub(crate) fn asked(&self, version: Option<i32>) -> Result<i32, Error> {
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

    pub(crate) fn to_take_back(&self, standing: &Standing, back: Back) -> Result<Vec<&Migration>, Error> {
        let version = standing.version;
        let asked = match back {
            Back::Steps(steps) => i64::from(version) - i64::from(steps),
            Back::To(to) => i64::from(to),
        };
        if standing.is_newer() {
            return Err(Error::TooOld {
                doing: "go back",
                version,
                newest: standing.newest,
            });
        }
        if !(0..=i64::from(version)).contains(&asked) {
            return Err(Error::NotBack { asked, version });
        }
        let newest_first = self.up_to(version).iter().rev();
        Ok(newest_first
            .take_while(|it| i64::from(it.version) > asked)
            .collect())
    }

    pub(crate) fn saw(&self, version: i32) {
        self.seen
            .get_or_init(AtomicI32::default)
            .store(version, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, before: i32, after: i32, retries: u32) -> Done {
        debug!(before, after, retries, "run finished");
        Done {
            run_id: self.run_id,
            before,
            after,
            retries,
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
