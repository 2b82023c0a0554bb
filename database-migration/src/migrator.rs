//! `up`, `down` and `wait`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use database::Database;
use process::exit::ExitCode;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::audit;
use crate::embedded::embedded;
use crate::error::Error;
use crate::execute::{self, Conditions, Direction};
use crate::ledger;
use crate::lock;
use crate::migration::{BadMigration, Migration};
use crate::session::{self, Session};
use crate::standing::Standing;
use crate::status::Status;

/// Even who does not want to wait for locks must give the server the time to answer.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

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
    /// Cancelled when the run is to stop: the running migration is rolled back.
    pub stop: CancellationToken,
    /// The newest version applied, as far as this run has seen.
    seen: OnceLock<AtomicI32>,
}

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
            stop: CancellationToken::new(),
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
        let newest = self.newest();
        let to = to.unwrap_or(newest);
        if !(0..=newest).contains(&to) {
            return Err(Error::NoSuchVersion { asked: to, newest });
        }
        let client = self.connect().await?;
        let standing = self.standing_or_record(&client, Direction::Up).await?;
        if standing.is_newer() {
            warn!(
                "the database is at version {}, newer than this build ({newest}), and still allows it (from {})",
                standing.version, standing.min_compatible
            );
        }
        if standing.pending(&self.migrations, to).is_empty() {
            return Ok(self.done(standing.version, standing.version, 0));
        }
        self.change(client, Direction::Up, |standing| {
            Ok(standing.pending(&self.migrations, to))
        })
        .await
    }

    /// Takes migrations back, the newest first.
    ///
    /// # Errors
    /// Every [`Error`]; what was taken back before it stays so.
    pub async fn down(&self, back: Back) -> Result<Done, Error> {
        let client = self.connect().await?;
        let to_take_back = |standing: &Standing| -> Result<Vec<&Migration>, Error> {
            let version = standing.version;
            let asked = match back {
                Back::Steps(steps) => i64::from(version) - i64::from(steps),
                Back::To(to) => i64::from(to),
            };
            if standing.is_newer() {
                return Err(Error::CannotGoBack {
                    version,
                    newest: standing.newest,
                });
            }
            if !(0..=i64::from(version)).contains(&asked) {
                return Err(Error::NotBack { asked, version });
            }
            let range = asked + 1..=i64::from(version);
            Ok(self
                .migrations
                .iter()
                .rev()
                .filter(|it| range.contains(&i64::from(it.version)))
                .collect())
        };
        let standing = self.standing_or_record(&client, Direction::Down).await?;
        if to_take_back(&standing)?.is_empty() {
            return Ok(self.done(standing.version, standing.version, 0));
        }
        self.change(client, Direction::Down, to_take_back).await
    }

    /// Waits until `version` (or the newest of this build) is applied, at most `wait_timeout` in all,
    /// through times when the database cannot be reached. Returns the newest version applied.
    ///
    /// # Errors
    /// [`Error::StillPending`] in the end; [`Error::Connect`] when the database was not there in the end.
    pub async fn wait(&self, version: Option<i32>) -> Result<i32, Error> {
        /// Between two looks; a pod's start can spare this much.
        const PAUSE: Duration = Duration::from_millis(250);
        let asked = version.unwrap_or(self.newest());
        let started = Instant::now();
        let mut said = false;
        loop {
            let left = self.wait_timeout.saturating_sub(started.elapsed());
            let result = self.look(left).await;
            let waited = started.elapsed();
            match result {
                Ok(version) if version >= asked => return Ok(version),
                Ok(version) if waited >= self.wait_timeout => {
                    return Err(Error::StillPending {
                        version,
                        asked,
                        waited,
                    });
                }
                Ok(version) if !said => {
                    info!("Waiting for version {asked}: the database is at version {version}");
                    said = true;
                }
                // The connection broke between connecting and asking: connecting again tells more.
                Err(Error::Database { .. }) if waited < self.wait_timeout => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            self.pause(PAUSE).await?;
        }
    }

    /// What is applied and what is not.
    ///
    /// # Errors
    /// [`Error::Connect`] and [`Error::Database`]; whatever the ledger says is part of the answer.
    pub async fn status(&self) -> Result<Status, Error> {
        let client = self.connect().await?;
        let applied = self.read_ledger(&client, self.lock_timeout).await?;
        Ok(Status::of(self.database.target(), &self.migrations, &applied))
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

    async fn connect(&self) -> Result<Client, Error> {
        self.unless_stopped(session::connect(&self.database, self.wait_timeout))
            .await
    }

    async fn standing(&self, client: &Client) -> Result<Standing, Error> {
        let applied = self.read_ledger(client, self.lock_timeout).await?;
        self.saw(applied.last().map_or(0, |last| last.version));
        Standing::of(&self.migrations, &applied)
    }

    /// As `standing`; what stands in the way of a run is part of its record, unless the record would meet the same.
    async fn standing_or_record(&self, client: &Client, direction: Direction) -> Result<Standing, Error> {
        let standing = self.standing(client).await;
        if let Err(error) = &standing
            && !matches!(error, Error::Stopped { .. } | Error::Held { .. })
        {
            audit::record(self, client, direction, Duration::ZERO, Err(error)).await;
        }
        standing
    }

    async fn read_ledger(&self, client: &Client, patience: Duration) -> Result<Vec<ledger::Applied>, Error> {
        let patience = patience.max(LEAST_PATIENCE);
        self.briefly("read the ledger", patience, ledger::read(client, patience))
            .await
    }

    /// Runs statements that take milliseconds unless somebody is in their way: no longer than `patience`,
    /// nor than until the run is to stop. They limit their waiting for locks themselves, so that the
    /// server gives up as well; what they do not notice (a server that stands still) ends a second later.
    async fn briefly<T>(
        &self,
        doing: &'static str,
        patience: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        self.unless_stopped(async {
            match tokio::time::timeout(patience + Duration::from_secs(1), work).await {
                Ok(Err(error)) if error.exit_code() == ExitCode::LockTimeout => {}
                Err(_) => {}
                Ok(result) => return result,
            }
            let waited = started.elapsed();
            let holders = session::holders_of_the_ledger(&self.database).await;
            Err(Error::Held {
                doing,
                holders: holders.unwrap_or_else(|| "nobody that is known".into()),
                waited,
            })
        })
        .await
    }

    fn saw(&self, version: i32) {
        self.seen
            .get_or_init(AtomicI32::default)
            .store(version, Ordering::Relaxed);
    }

    async fn look(&self, timeout: Duration) -> Result<i32, Error> {
        let client = self
            .unless_stopped(session::connect(&self.database, timeout))
            .await?;
        let applied = self.read_ledger(&client, timeout.min(self.lock_timeout)).await?;
        Ok(applied.last().map_or(0, |last| last.version))
    }

    /// Runs, under the lock, the migrations that `choose` names, and leaves a record of it.
    async fn change<'a>(
        &'a self,
        client: Client,
        direction: Direction,
        choose: impl Fn(&Standing) -> Result<Vec<&'a Migration>, Error>,
    ) -> Result<Done, Error> {
        let started = Instant::now();
        let patience = self.lock_timeout.max(LEAST_PATIENCE);
        let mut session = self.unless_stopped(Session::prepare(client, patience)).await?;
        let acquired = self
            .unless_stopped(lock::acquire(&session.client, self.lock_timeout))
            .await;
        let result = match acquired {
            Ok(()) => self.change_under_lock(&mut session, direction, choose).await,
            Err(error) => Err(error),
        };
        if !matches!(result, Ok(done) if done.before == done.after) {
            let took = started.elapsed();
            audit::record(self, &session.client, direction, took, result.as_ref()).await;
        }
        result
    }

    async fn change_under_lock<'a>(
        &'a self,
        session: &mut Session,
        direction: Direction,
        choose: impl Fn(&Standing) -> Result<Vec<&'a Migration>, Error>,
    ) -> Result<Done, Error> {
        let patience = self.lock_timeout.max(LEAST_PATIENCE);
        self.briefly("create the ledger", patience, ledger::ensure(&session.client))
            .await?;
        // Read anew: another migrator may have done the work while this one waited.
        let before = self.standing(&session.client).await?;
        let chosen = choose(&before)?;
        if chosen.is_empty() {
            info!("Another migrator has done the work meanwhile");
        } else {
            self.announce(direction, &before, &chosen);
        }
        let conditions = Conditions {
            database: &self.database,
            patience: self.lock_timeout,
            build: &self.build,
            stop: &self.stop,
        };
        let (total, mut retries, mut after) = (chosen.len(), 0, before.version);
        for (index, migration) in chosen.into_iter().enumerate() {
            if self.stop.is_cancelled() {
                return Err(Error::Stopped { during: None });
            }
            let step = index + 1;
            info!("Step {step} of {total}: {} {migration}", migration.step.word());
            let started = Instant::now();
            let attempts = execute::run(session, migration, direction, &conditions).await?;
            retries += attempts - 1;
            let again = if attempts > 1 {
                format!(" at attempt {attempts}")
            } else {
                String::new()
            };
            info!(
                "Step {step} of {total} done in {} ms{again}",
                started.elapsed().as_millis()
            );
            after = match direction {
                Direction::Up => migration.version,
                Direction::Down => migration.version - 1,
            };
            self.saw(after);
        }
        Ok(self.done(before.version, after, retries))
    }

    fn announce(&self, direction: Direction, before: &Standing, chosen: &[&Migration]) {
        let what = match direction {
            Direction::Up => "to apply",
            Direction::Down => "to take back",
        };
        info!(
            "Starting run {}: {} is at version {}, {} {what}",
            self.run_id,
            self.database.target(),
            before.version,
            migrations(chosen.len())
        );
    }

    fn done(&self, before: i32, after: i32, retries: u32) -> Done {
        debug!(before, after, retries, "run finished");
        Done {
            run_id: self.run_id,
            before,
            after,
            retries,
        }
    }

    async fn pause(&self, pause: Duration) -> Result<(), Error> {
        self.unless_stopped(async {
            tokio::time::sleep(pause).await;
            Ok(())
        })
        .await
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            result = work => result,
            () = self.stop.cancelled() => Err(Error::Stopped { during: None }),
        }
    }
}

fn migrations(count: usize) -> String {
    match count {
        1 => "1 migration".into(),
        count => format!("{count} migrations"),
    }
}
