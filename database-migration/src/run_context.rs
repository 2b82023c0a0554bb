//! One run of a command, from the connection to the record: its limits, its lock, its row in
//! `bootstrap_runs`.

use std::time::{Duration, Instant};

use database::{ConnectError, locks};
use one_shot::advisory_lock::{self, AcquireError, Key};
use one_shot::exit_code::is_lost;
use one_shot::run_record::{self, RunEnd, Table, Version};
use one_shot::{Deadline, RunRecord};
use process::failure::{self, ExitCode};
use process::panics;
use tokio::time::timeout;
use tokio_postgres::Client;
use tracing::{info, warn};

use crate::error::{Doing as _, Error};
use crate::ledger::{self, Ledger};
use crate::migrator::Migrator;
use crate::roles::owner;
use crate::session::{self, Session};
use crate::state::SchemaState;

const TASK: &str = "database-migration";

/// A server that must not wait for locks still needs the time to answer.
const SHORTEST_LOCK_WAIT: Duration = Duration::from_secs(1);

/// Extra time for work that keeps to the time left by itself, and then has more to say.
const GRACE: Duration = Duration::from_secs(2);

/// The same for connecting, which comes before everything else.
const CONNECT_GRACE: Duration = Duration::from_secs(1);

/// How long writing the record may take, and how long after a signal: a lock may be in the way.
const RECORD_LIMITS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(1));

/// One command, from its start.
pub(crate) struct RunContext<'a> {
    pub(crate) migrator: &'a Migrator,
    pub(crate) command: &'static str,
    pub(crate) deadline: Deadline,
    started: Instant,
}

impl<'a> RunContext<'a> {
    /// The command begins.
    pub(crate) fn start(migrator: &'a Migrator, command: &'static str) -> Self {
        let deadline = Deadline::new(&migrator.stop, migrator.timeout);
        Self {
            migrator,
            command,
            deadline,
            started: Instant::now(),
        }
    }

    /// As [`start`](Self::start), for a command that changes something, and says so in the log.
    pub(crate) fn announce(migrator: &'a Migrator, command: &'static str) -> Self {
        let (run_id, build, newest) = (migrator.run_id, &migrator.build, migrator.newest());
        let database = migrator.database.target();
        info!("Starting run {run_id}: {command} on {database}, build {build} with versions 1 to {newest}");
        Self::start(migrator, command)
    }

    /// How long to wait for locks.
    pub(crate) fn lock_wait(&self) -> Duration {
        self.deadline
            .cap(self.migrator.lock_timeout)
            .max(SHORTEST_LOCK_WAIT)
    }

    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        self.connect_within(self.deadline.cap(self.migrator.wait_timeout))
            .await
    }

    pub(crate) async fn connect_within(&self, timeout: Duration) -> Result<Client, Error> {
        let database = &self.migrator.database;
        self.unless_stopped(async {
            tokio::select! {
                client = session::connect(database, timeout) => client,
                // An address that drops packets takes longer to fail than the run may take.
                () = tokio::time::sleep(self.deadline.left() + CONNECT_GRACE) => {
                    Err(Error::Connect(ConnectError::Unreachable {
                        target: database.target(),
                        cause: "the time of the run is up (--timeout)".into(),
                    }))
                }
            }
        })
        .await
    }

    pub(crate) async fn ledger(&self, client: &Client, lock_wait: Duration) -> Result<Ledger, Error> {
        let lock_wait = lock_wait.max(SHORTEST_LOCK_WAIT);
        let read = ledger::read(client, lock_wait);
        let ledger = self.briefly("read the ledger", lock_wait, read).await?;
        self.migrator.saw(ledger.version());
        Ok(ledger)
    }

    /// The ledger compared with this build. A standby is refused: only its primary can be changed.
    pub(crate) async fn state(&self, client: &Client) -> Result<SchemaState, Error> {
        let ledger = self.ledger(client, self.lock_wait()).await?;
        if ledger.standby {
            return Err(Error::Standby {
                database: self.migrator.database.target(),
            });
        }
        SchemaState::of(&self.migrator.migrations, &ledger)
    }

    /// As `state`; an error is recorded, unless the record would meet the same.
    pub(crate) async fn state_or_record(&self, client: &Client) -> Result<SchemaState, Error> {
        let state = panics::caught_in(self.state(client)).await;
        let state = state.unwrap_or_else(|panicked| Err(panicked.into()));
        if let Err(error) = &state
            && !matches!(
                error,
                Error::Stopped { .. } | Error::Held { .. } | Error::Standby { .. }
            )
        {
            self.record_end(client, Err(error)).await;
        }
        state
    }

    /// Makes the session ready to change something, takes the migration lock, does the work, and
    /// leaves a record.
    ///
    /// `work` says what it has changed; a run that changed nothing is not recorded.
    pub(crate) async fn under_lock<T>(
        &self,
        client: Client,
        work: impl AsyncFnOnce(&mut Session) -> Result<(T, Option<String>), Error>,
    ) -> Result<T, Error> {
        let prepare = Session::prepare(client, &self.migrator.database, self.lock_wait());
        let mut session = self.unless_stopped(prepare).await?;
        let result = match self.unless_stopped(self.acquire(&session.client)).await {
            Ok(()) => {
                let done = panics::caught_in(work(&mut session)).await;
                done.unwrap_or_else(|panicked| Err(panicked.into()))
            }
            Err(error) => Err(error),
        };
        match result {
            Ok((value, None)) => Ok(value),
            Ok((value, Some(message))) => {
                self.record_end(&session.client, Ok(message)).await;
                Ok(value)
            }
            Err(error) => {
                self.record_end(&session.client, Err(&error)).await;
                Err(error)
            }
        }
    }

    /// Lets the session act as the owner of the tables, if it may.
    pub(crate) async fn become_owner(&self, session: &Session) -> Result<(), Error> {
        let act = owner::become_owner(&session.client, &self.migrator.roles);
        self.unless_stopped(async { act.await.doing("act as the owner of the tables") })
            .await
    }

    async fn acquire(&self, client: &Client) -> Result<(), Error> {
        let timeout = self.deadline.cap(self.migrator.lock_timeout);
        let waiting = |holder: &str| info!("Waiting: the migration lock is held by {holder}");
        match advisory_lock::acquire(client, Key::Number(locks::MIGRATION), timeout, waiting).await {
            Ok(()) => Ok(()),
            Err(AcquireError::Held { holder, waited }) => Err(Error::LockHeld { holder, waited }),
            Err(AcquireError::Database(error)) => Err(error).doing("take the migration lock"),
        }
    }

    /// Runs statements that take milliseconds unless another session is in the way: no longer than
    /// `lock_wait`, nor than until the run is to stop. The server gives up by itself; a server that
    /// does not answer at all is given up a second later.
    pub(crate) async fn briefly<T>(
        &self,
        doing: &'static str,
        lock_wait: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        self.unless_stopped(async {
            match timeout(lock_wait + Duration::from_secs(1), work).await {
                Ok(Err(error)) if error.exit_code() == ExitCode::LockTimeout => {}
                Err(_) => {}
                Ok(result) => return result,
            }
            let waited = started.elapsed();
            let holders = session::holders_of_the_ledger(&self.migrator.database).await;
            Err(Error::Held {
                doing,
                holders: holders.unwrap_or_else(|| "no known session".into()),
                waited,
            })
        })
        .await
    }

    /// Work that limits itself to the time that is left.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let stopped = |why| Err(Error::Stopped { why, during: None });
        self.deadline.or_stop(GRACE, work).await.unwrap_or_else(stopped)
    }

    fn record(&self, table: Table) -> RunRecord<'_> {
        RunRecord {
            run_id: self.migrator.run_id,
            task: TASK,
            command: self.command,
            profile: None,
            build: &self.migrator.build,
            trigger: (table == Table::Complete).then_some(self.migrator.trigger),
            started: self.started,
        }
    }

    /// Records that the run has something to do and begins. Call with the migration lock held: a
    /// run that is recorded as running then is lost.
    ///
    /// A record that cannot be written is logged and fails nothing: the schema comes first.
    pub(crate) async fn record_begin(&self, client: &mut Client) {
        let begin = async {
            let transaction = client.transaction().await?;
            transaction.batch_execute("SET LOCAL lock_timeout = '1s'").await?;
            let table = Table::read(&transaction).await?;
            if table != Table::Absent {
                let lost = "the run was lost: its process ended without a word";
                run_record::fail_lost(&transaction, TASK, None, lost).await?;
                self.record(table).begin(&transaction, self.version()).await?;
            }
            transaction.commit().await
        };
        match timeout(RECORD_LIMITS.0, begin).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn_of(&failure::line(&error)),
            Err(_) => warn_of("no answer in time"),
        }
    }

    /// Records the end of the run; `Ok` says what it did. Of a run that had not begun this is the
    /// only record. When the connection no longer works, another one is tried.
    async fn record_end(&self, client: &Client, result: Result<String, &Error>) {
        let mut end = match result {
            Ok(message) => RunEnd {
                outcome: "changed",
                exit_code: ExitCode::Done,
                message: Some(message.into()),
                version: Version::Unknown,
            },
            Err(error) => RunEnd::failed(error.exit_code(), failure::line(error)),
        };
        end.version = self.version();
        let limit = match end.exit_code {
            ExitCode::Terminated => RECORD_LIMITS.1,
            _ => RECORD_LIMITS.0,
        };
        let write = async {
            match self.try_record_end(client, &end).await {
                Err(error) if is_lost(&error) => {}
                result => return result.map_err(|error| failure::line(&error)),
            }
            let client = self.migrator.database.connect().await;
            let client = client.map_err(|error| failure::line(&error))?;
            let written = self.try_record_end(&client, &end).await;
            written.map_err(|error| failure::line(&error))
        };
        match timeout(limit, write).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => warn_of(&problem),
            Err(_) => warn_of(&format!("no answer within {} s", limit.as_secs())),
        }
    }

    async fn try_record_end(&self, client: &Client, end: &RunEnd<'_>) -> Result<(), tokio_postgres::Error> {
        match Table::read(client).await? {
            Table::Absent => Ok(()),
            table => self.record(table).end(client, end).await,
        }
    }

    fn version(&self) -> Version<'static> {
        let number = self.migrator.version().map(i64::from);
        number.map_or(Version::Unknown, Version::Number)
    }
}

fn warn_of(problem: &str) {
    warn!(error = problem, "the run could not be recorded in bootstrap_runs");
}
