//! What the commands have in common: one run with its limits, from the connection to the record.

use std::time::{Duration, Instant};

use database::ConnectError;
use process::failure::{self, ExitCode};
use tokio_postgres::Client;
use tracing::debug;

use crate::audit;
use crate::error::{Doing as _, Error};
use crate::event::Event;
use crate::execute::{self, Conditions, Direction};
use crate::heartbeat;
use crate::ledger::{self, Ledger};
use crate::limit::Limit;
use crate::lock;
use crate::migration::Migration;
use crate::migrator::{Done, Migrator};
use crate::rehearsal::Rehearsal;
use crate::roles::owner;
use crate::rows::{self, Loss};
use crate::session::{self, Session};
use crate::standing::Standing;

/// Even who does not want to wait for locks must give the server the time to answer.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// One command, from its start.
pub(crate) struct Run<'a> {
    pub(crate) migrator: &'a Migrator,
    pub(crate) command: &'static str,
    pub(crate) limit: Limit,
}

impl Run<'_> {
    /// What this migrator's runs tell goes into the log, and to whoever watches.
    pub(crate) fn tell(&self, event: Event) {
        event.log();
        (self.migrator.observer)(&event);
    }

    /// Says that the run begins.
    pub(crate) fn announce(&self) {
        self.tell(Event::Starting {
            run_id: self.migrator.run_id,
            command: self.command,
            database: self.migrator.database.target(),
            newest: self.migrator.newest(),
            build: self.migrator.build.clone(),
        });
    }

    pub(crate) fn took_ms(&self) -> f64 {
        self.limit.elapsed().as_secs_f64() * 1000.0
    }

    /// How long to wait for locks.
    pub(crate) fn patience(&self) -> Duration {
        self.limit.cap(self.migrator.lock_timeout).max(LEAST_PATIENCE)
    }

    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        self.connect_within(self.limit.cap(self.migrator.wait_timeout))
            .await
    }

    pub(crate) async fn connect_within(&self, timeout: Duration) -> Result<Client, Error> {
        let database = &self.migrator.database;
        self.unless_stopped(async {
            tokio::select! {
                client = session::connect(database, timeout) => client,
                // An address that swallows what is sent there takes longer to fail than the run may take.
                () = self.limit.no_more_connecting() => Err(Error::Connect(ConnectError::Unreachable {
                    target: database.target(),
                    cause: "the time of the run is up (--timeout)".into(),
                })),
            }
        })
        .await
    }

    pub(crate) async fn ledger(&self, client: &Client, patience: Duration) -> Result<Ledger, Error> {
        let patience = patience.max(LEAST_PATIENCE);
        let ledger = self
            .briefly("read the ledger", patience, ledger::read(client, patience))
            .await?;
        self.migrator.saw(ledger.version());
        Ok(ledger)
    }

    /// What the ledger means for this build. A standby is refused: what stands in it is another server's doing.
    pub(crate) async fn standing(&self, client: &Client) -> Result<Standing, Error> {
        let ledger = self.ledger(client, self.patience()).await?;
        if ledger.standby {
            return Err(Error::Standby {
                database: self.migrator.database.target(),
            });
        }
        Standing::of(&self.migrator.migrations, &ledger.applied)
    }

    /// As `standing`; what stands in the way of a run is part of its record, unless the record would meet the same.
    pub(crate) async fn standing_or_record(&self, client: &Client) -> Result<Standing, Error> {
        let standing = self.standing(client).await;
        if let Err(error) = &standing
            && !matches!(
                error,
                Error::Stopped { .. } | Error::Held { .. } | Error::Standby { .. }
            )
        {
            audit::finish(self, client, Err(error)).await;
        }
        standing
    }

    /// Makes the session ready to change something, takes the migration lock, does the work, and leaves a record.
    ///
    /// `work` says what it has changed; nothing is recorded of a run that changed nothing.
    pub(crate) async fn under_lock<T>(
        &self,
        client: Client,
        work: impl AsyncFnOnce(&mut Session) -> Result<(T, Option<String>), Error>,
    ) -> Result<T, Error> {
        let database = &self.migrator.database;
        let mut session = self
            .unless_stopped(Session::prepare(client, database, self.patience()))
            .await?;
        let timeout = self.limit.cap(self.migrator.lock_timeout);
        let acquired = self
            .unless_stopped(lock::acquire(&session.client, timeout, |event| self.tell(event)))
            .await;
        let result = match acquired {
            Ok(()) => work(&mut session).await,
            Err(error) => Err(error),
        };
        match result {
            Ok((value, None)) => Ok(value),
            Ok((value, Some(message))) => {
                audit::finish(self, &session.client, Ok(message)).await;
                Ok(value)
            }
            Err(error) => {
                audit::finish(self, &session.client, Err(&error)).await;
                Err(error)
            }
        }
    }

    /// Runs, under the lock, the migrations that `choose` names.
    pub(crate) async fn change<'a>(
        &'a self,
        client: Client,
        direction: Direction,
        choose: impl Fn(&Standing) -> Result<Vec<&'a Migration>, Error>,
    ) -> Result<Done, Error> {
        self.under_lock(client, async |session| {
            let act = owner::become_owner(&session.client, &self.migrator.roles);
            self.unless_stopped(async { act.await.doing("act as the owner of the tables") })
                .await?;
            self.briefly(
                "create the ledger",
                self.patience(),
                ledger::ensure(&session.client),
            )
            .await?;
            // Read anew: another migrator may have done the work while this one waited.
            let before = self.standing(&session.client).await?;
            let chosen = choose(&before)?;
            if chosen.is_empty() {
                self.tell(Event::Note {
                    message: "Another migrator has done the work meanwhile".into(),
                });
                return Ok((self.migrator.done(before.version, before.version, 0), None));
            }
            let done = self.steps(session, direction, before.version, &chosen).await?;
            let message = format!(
                "from version {} to {}{}",
                done.before,
                done.after,
                done.given_up()
            );
            Ok((done, Some(message)))
        })
        .await
    }

    async fn steps(
        &self,
        session: &mut Session,
        direction: Direction,
        version: i32,
        chosen: &[&Migration],
    ) -> Result<Done, Error> {
        self.tell(Event::Planned {
            version,
            direction,
            files: chosen.iter().map(|it| direction.file(it).0).collect(),
        });
        let guarded = match direction {
            Direction::Up => Vec::new(),
            Direction::Down => self.guarded(session, version, chosen).await?,
        };
        audit::begin(self, &mut session.client).await;
        let _heartbeat = heartbeat::start(&self.migrator.database, self.migrator.run_id);
        let tell = |event| self.tell(event);
        let (of, mut retries, mut after) = (chosen.len(), 0, version);
        for (index, migration) in chosen.iter().enumerate() {
            if let Some(why) = self.limit.stop() {
                return Err(Error::Stopped { why, during: None });
            }
            let (step, file) = (index + 1, direction.file(migration).0);
            self.tell(Event::StepStarted {
                step,
                of,
                file: file.clone(),
                kind: direction.kind(migration),
            });
            let conditions = Conditions {
                database: &self.migrator.database,
                patience: self.migrator.lock_timeout,
                build: &self.migrator.build,
                roles: &self.migrator.roles,
                limit: &self.limit,
                tell: &tell,
                guarded: guarded.get(index).map_or(&[], Vec::as_slice),
            };
            let started = Instant::now();
            let attempts = execute::run(session, migration, direction, &conditions).await?;
            self.tell(Event::StepDone {
                step,
                of,
                file,
                duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                attempts,
            });
            retries += attempts - 1;
            after = match direction {
                Direction::Up => migration.version,
                Direction::Down => migration.version - 1,
            };
            self.migrator.saw(after);
        }
        Ok(self.migrator.done(version, after, retries))
    }

    /// What each of the steps back must find empty: nothing if rows may go with it.
    async fn guarded(
        &self,
        session: &mut Session,
        version: i32,
        chosen: &[&Migration],
    ) -> Result<Vec<Vec<Loss>>, Error> {
        let doing = "find out what would be dropped";
        let losses = match self.losses(&mut session.client, version, chosen).await {
            // Who knows that rows may go need not know which.
            Err(error @ Error::Database { .. }) if self.migrator.allow_destructive => {
                debug!(error = failure::line(&error), "could not {doing}");
                return Ok(Vec::new());
            }
            losses => losses?,
        };
        let all = losses.concat();
        let holding = self.unless_stopped(async { rows::holding(&session.client, &all).await.doing(doing) });
        let holding = holding.await?;
        match (holding.is_empty(), self.migrator.allow_destructive) {
            (_, true) => {}
            (true, false) => return Ok(losses),
            (false, false) => {
                return Err(Error::HoldsRows {
                    to: version - i32::try_from(chosen.len()).unwrap_or(version),
                    losses: holding,
                });
            }
        }
        if !holding.is_empty() {
            self.tell(Event::Warning {
                message: format!("Dropping what holds rows: {}", rows::list(&holding)),
            });
        }
        Ok(Vec::new())
    }

    /// What each of the steps back drops.
    pub(crate) async fn losses(
        &self,
        client: &mut Client,
        version: i32,
        chosen: &[&Migration],
    ) -> Result<Vec<Vec<Loss>>, Error> {
        let known = self.migrator.up_to(version);
        self.unless_stopped(async {
            let rehearse = async {
                let rehearsal = Rehearsal::of(client, known).await?;
                let mut losses = Vec::new();
                for migration in chosen {
                    losses.push(rehearsal.take_back(migration).await?);
                }
                Ok(losses)
            };
            rehearse.await.doing("find out what would be dropped")
        })
        .await
    }

    /// Runs statements that take milliseconds unless somebody is in their way: no longer than `patience`,
    /// nor than until the run is to stop. They limit their waiting for locks themselves, so that the
    /// server gives up as well; what they do not notice (a server that stands still) ends a second later.
    pub(crate) async fn briefly<T>(
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
            let holders = session::holders_of_the_ledger(&self.migrator.database).await;
            Err(Error::Held {
                doing,
                holders: holders.unwrap_or_else(|| "nobody that is known".into()),
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
        tokio::select! {
            result = work => result,
            why = self.limit.overrun() => Err(Error::Stopped { why, during: None }),
        }
    }
}
