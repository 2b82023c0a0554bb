//! `roles apply` and `roles check`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tracing::{info, warn};
use uuid::Uuid;

use super::catalog::{self, Found, Stored};
use super::difference::{differences, passwords};
use super::finding::{Difference, Stage};
use super::login::{self, Login};
use super::quote::identifier;
use super::{Names, Passwords, Role};
use crate::error::{Doing as _, Error};
use crate::migrator::Migrator;
use crate::run_context::RunContext;
use crate::session::LOCK_TIMEOUT;
use crate::session::{self, Session};

/// Pauses between two attempts, growing from the first to the last: traffic flows in between.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Interval of looking for blockers of an attempt, until one is found.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What `roles apply` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Names the run.
    pub run_id: Uuid,
    /// One sentence for each change, in the order in which they were made: `granted SELECT on
    /// orders to order_food_app`.
    pub changes: Vec<String>,
}

/// What `roles check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// One sentence each: `missing: SELECT on orders for order_food_app`.
    pub findings: Vec<String>,
}

/// A line for each change.
impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, &self.changes, "nothing to change")
    }
}

/// A line for each finding.
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, &self.findings, "the roles are as they should be")
    }
}

fn lines(f: &mut fmt::Formatter<'_>, lines: &[String], otherwise: &str) -> fmt::Result {
    if lines.is_empty() {
        return writeln!(f, "{otherwise}");
    }
    lines.iter().try_for_each(|line| writeln!(f, "{line}"))
}

impl Migrator {
    /// Makes the roles and gives them their rights, all or nothing; a second run changes nothing.
    ///
    /// # Errors [`Error::RolesLeft`] and [`Error::RoleChange`] when the session's role may not do
    /// it; others as for `up`.
    pub async fn apply_roles(&self, passwords: &Passwords) -> Result<Applied, Error> {
        let run = RunContext::announce(self, "roles apply");
        let client = run.connect().await?;
        let changes = run
            .under_lock(client, async |session| {
                let changes = Apply {
                    run: &run,
                    names: &self.roles,
                    passwords,
                }
                .with_retries(session)
                .await?;
                let message = match changes.len() {
                    0 => None,
                    1 => Some("1 change".to_owned()),
                    count => Some(format!("{count} changes")),
                };
                Ok((changes, message))
            })
            .await?;
        for change in &changes {
            info!("{change}");
        }
        Ok(Applied {
            run_id: self.run_id,
            changes,
        })
    }

    /// What `roles apply` would change, a sentence each; changes nothing.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::NoSchema`], [`Error::Database`].
    pub async fn check_roles(&self, passwords: &Passwords) -> Result<Checked, Error> {
        let run = RunContext::start(self, "roles check");
        let client = run.connect().await?;
        let lock_wait = run.lock_wait();
        let found = run
            .briefly("read the roles", lock_wait, catalog::read(&client, &self.roles))
            .await?;
        let mut logins = self.logins(&run, &found, passwords).await?;
        for (role, _) in logins.extract_if(.., |_, login| *login == Login::Unknown) {
            warn!(
                "whether {} has the password of roles.{role}_password_file cannot be told by this role",
                self.roles.of(role)
            );
        }
        let mut all = super::difference::passwords(&found.roles, &self.roles, passwords, &logins);
        all.extend(differences(&found, &self.roles));
        Ok(Checked {
            findings: all.into_iter().map(|difference| difference.finding).collect(),
        })
    }

    /// Logs in with the passwords that cannot be read.
    async fn logins(
        &self,
        run: &RunContext<'_>,
        found: &Found,
        passwords: &Passwords,
    ) -> Result<BTreeMap<Role, Login>, Error> {
        let mut logins = BTreeMap::new();
        for (role, attributes) in &found.roles {
            if let (Stored::Hidden, Some(password)) = (&attributes.stored, passwords.of(*role)) {
                let attempt = login::attempt(&self.database, self.roles.of(*role), password);
                let login = run.unless_stopped(async { Ok(attempt.await) }).await?;
                logins.insert(*role, login);
            }
        }
        Ok(logins)
    }
}

/// One run of `roles apply`, with the migration lock held.
struct Apply<'a> {
    run: &'a RunContext<'a>,
    names: &'a Names,
    passwords: &'a Passwords,
}

impl Apply<'_> {
    /// Tries until the locks on the tables are to be had: changing an owner locks the table.
    async fn with_retries(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let lock_wait = self.run.deadline.cap(self.run.migrator.lock_timeout);
        let started = Instant::now();
        let (mut pause, mut attempts, mut blockers) = (PAUSES.0, 1, None);
        let logins = self.logins(session).await?;
        loop {
            let error = match self.watched(session, &logins, &mut blockers).await {
                Err(error) if is_passing(&error) => error,
                result => return result,
            };
            if started.elapsed() >= lock_wait {
                return Err(Error::Blocked {
                    file: "roles apply".into(),
                    attempts,
                    blockers: blockers.unwrap_or_else(|| process::failure::line(&error)),
                });
            }
            info!(
                "Waiting for locks, attempt {attempts}: {}",
                blockers
                    .as_deref()
                    .unwrap_or("no session is known to be in the way")
            );
            self.run
                .unless_stopped(async {
                    tokio::time::sleep(pause).await;
                    Ok(())
                })
                .await?;
            pause = (pause * 2).min(PAUSES.1);
            attempts += 1;
        }
    }

    /// What is stored of each password, as far as it cannot be read; a role that is yet to be made
    /// has a wrong one.
    async fn logins(&self, session: &Session) -> Result<BTreeMap<Role, Login>, Error> {
        let found = catalog::read(&session.client, self.names).await?;
        let mut logins = self.run.migrator.logins(self.run, &found, self.passwords).await?;
        for role in Role::ALL {
            if !found.roles.contains_key(&role) {
                logins.insert(role, Login::Wrong);
            }
        }
        Ok(logins)
    }

    /// One attempt. While it lasts, looks for blockers.
    async fn watched(
        &self,
        session: &mut Session,
        logins: &BTreeMap<Role, Login>,
        blockers: &mut Option<String>,
    ) -> Result<Vec<String>, Error> {
        let pid = session.pid;
        let mut attempt = std::pin::pin!(self.run.unless_stopped(self.attempt(session, logins)));
        let mut look = std::pin::pin!(async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                if let Some(found) = session::blockers(&self.run.migrator.database, pid).await {
                    return found;
                }
            }
        });
        tokio::select! {
            result = &mut attempt => return result,
            found = &mut look => *blockers = Some(found),
        }
        attempt.await
    }

    async fn attempt(
        &self,
        session: &mut Session,
        logins: &BTreeMap<Role, Login>,
    ) -> Result<Vec<String>, Error> {
        let doing = "change the roles";
        let transaction = session.client.transaction().await.doing(doing)?;
        let limits = format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'");
        transaction.batch_execute(&limits).await.doing(doing)?;
        let mut changes = Vec::new();
        for stage in Stage::ALL {
            // Read anew: what one stage does changes what the next one finds.
            let found = catalog::read(&transaction, self.names).await?;
            if let Some(role) = self.names.role(&found.operator) {
                return Err(Error::OwnRole { role });
            }
            let differences = differences(&found, self.names);
            let of_stage: Vec<&Difference> = differences
                .iter()
                .filter(|difference| difference.stage == stage)
                .collect();
            self.change(&transaction, &found, &of_stage, &mut changes).await?;
            if stage == Stage::Roles {
                self.set_passwords(&transaction, logins, &mut changes).await?;
            }
        }
        let found = catalog::read(&transaction, self.names).await?;
        let left = differences(&found, self.names);
        if !left.is_empty() {
            let left: Vec<&str> = left.iter().map(|difference| difference.todo.as_str()).collect();
            return Err(Error::RolesLeft {
                operator: found.operator,
                left: left.join("; "),
            });
        }
        transaction.commit().await.doing(doing)?;
        Ok(changes)
    }

    async fn set_passwords(
        &self,
        transaction: &Transaction<'_>,
        logins: &BTreeMap<Role, Login>,
        changes: &mut Vec<String>,
    ) -> Result<(), Error> {
        let found = catalog::read(transaction, self.names).await?;
        let differences = passwords(&found.roles, self.names, self.passwords, logins);
        let differences: Vec<&Difference> = differences.iter().collect();
        self.change(transaction, &found, &differences, changes).await
    }

    async fn change(
        &self,
        transaction: &Transaction<'_>,
        found: &Found,
        differences: &[&Difference],
        changes: &mut Vec<String>,
    ) -> Result<(), Error> {
        let owner = self.names.of(Role::Owner);
        let needs_owner =
            |it: &&Difference| it.as_owner || [Stage::Owners, Stage::TableOwners].contains(&it.stage);
        let membership = Difference::of_members(
            format!("GRANT {} TO {}", identifier(owner), identifier(&found.operator)),
            format!("grant {owner} to {}", found.operator),
            String::new(),
        );
        let first =
            (!found.operator_becomes_owner && differences.iter().any(needs_owner)).then_some(&membership);
        for difference in first.into_iter().chain(differences.iter().copied()) {
            let Some(sql) = &difference.sql else { continue };
            let acting = match difference.as_owner {
                true => format!("SET LOCAL ROLE {}", identifier(owner)),
                false => "RESET ROLE".to_owned(),
            };
            let change = async {
                transaction.batch_execute(&acting).await?;
                transaction.batch_execute(sql).await
            };
            change.await.map_err(|source| Error::RoleChange {
                todo: difference.todo.clone(),
                source,
            })?;
            changes.push(difference.done());
        }
        transaction
            .batch_execute("RESET ROLE")
            .await
            .doing("change the roles")
    }
}

/// Another attempt may not meet it: a session has the lock, or changes the same role in another
/// database.
fn is_passing(error: &Error) -> bool {
    let source = match error {
        Error::RoleChange { source, .. } | Error::Database { source, .. } => source,
        _ => return false,
    };
    let passing = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::DUPLICATE_OBJECT,
        SqlState::UNIQUE_VIOLATION,
    ];
    source.as_db_error().is_some_and(|error| {
        passing.contains(error.code()) || error.message() == "tuple concurrently updated"
    })
}
