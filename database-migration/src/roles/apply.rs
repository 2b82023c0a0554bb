//! `roles apply` and `roles check`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use postgres_protocol::escape::escape_identifier;
use serde::Serialize;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Transaction};
use tracing::{info, warn};
use uuid::Uuid;

use super::difference::{self, Difference, STAGES};
use super::password::{self, Login};
use super::{Names, Passwords, Role};
use crate::attempts::{self, Attempt, AttemptError};
use crate::error::{Doing as _, Error, count};
use crate::migrator::Migrator;
use crate::run_context::RunContext;
use crate::session::{self, LOCK_TIMEOUT, Session};

/// What `roles apply` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Names the run.
    pub run_id: Uuid,
    /// One sentence for each change, in the order in which they were made: `granted SELECT on
    /// orders to order_food_app`.
    pub changes: Vec<String>,
    /// Names of roles that existed before and were granted something: made by an operator, or by
    /// `pgaadauth_create_principal` for a managed identity.
    pub existing: Vec<String>,
}

/// What `roles check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// One sentence each: `missing: SELECT on orders for order_food_app`.
    pub findings: Vec<String>,
}

/// A line for each change.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, &self.changes, "nothing to change")?;
        self.existing.iter().try_for_each(|name| {
            writeln!(
                f,
                "kept role {name}: it existed already, and was granted its rights"
            )
        })
    }
}

/// A line for each finding.
impl fmt::Display for Findings {
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

const READ: &str = "read the roles";
const CHANGE: &str = "change the roles";

impl Migrator {
    /// Makes the roles and gives them their rights, all or nothing; a second run changes nothing.
    ///
    /// # Errors
    /// [`Error::RolesLeft`] and [`Error::RoleChange`] when the session's role may not do
    /// it; others as for `up`.
    pub async fn apply_roles(&self, passwords: &Passwords) -> Result<Changes, Error> {
        let run = RunContext::announce(self, "roles apply");
        let client = run.connect().await?;
        let (changes, existing) = run
            .under_lock(client, async |session| {
                let work = Work {
                    names: &self.roles,
                    passwords,
                    logins: self.logins(&run, &session.client, passwords).await?,
                };
                let (done, _) = attempts::make(&run, session, &work).await?;
                let message = (!done.0.is_empty()).then(|| count(done.0.len(), "change"));
                Ok((done, message))
            })
            .await?;
        for change in &changes {
            info!("{change}");
        }
        for name in &existing {
            info!("role {name} existed already, and was granted its rights");
        }
        Ok(Changes {
            run_id: self.run_id,
            changes,
            existing,
        })
    }

    /// What `roles apply` would change, a sentence each; changes nothing.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::NoSchema`], [`Error::Database`].
    pub async fn check_roles(&self, passwords: &Passwords) -> Result<Findings, Error> {
        let run = RunContext::start(self, "roles check");
        let client = run.connect().await?;
        let read = async {
            session::require_schema(&client, READ).await?;
            let stored = password::stored(&client, &self.roles).await.doing(READ)?;
            let rest = difference::read(&client, &self.roles, &STAGES, false).await;
            Ok((stored, rest.doing(READ)?))
        };
        let (stored, rest) = run.briefly(READ, run.lock_wait(), read).await?;
        let mut logins = self.logins(&run, &client, passwords).await?;
        for (role, login) in logins.iter_mut().filter(|(_, login)| **login == Login::Unknown) {
            warn!(
                "whether {} has the password of roles.{role}_password_file cannot be told by this role",
                self.roles.of(*role)
            );
            *login = Login::Right;
        }
        let passwords = password::differences(stored, &self.roles, passwords, &logins);
        let all = passwords.into_iter().chain(rest);
        Ok(Findings {
            findings: all.filter_map(|difference| difference.finding).collect(),
        })
    }

    /// Logs in with the passwords that cannot be read.
    async fn logins(
        &self,
        run: &RunContext<'_>,
        client: &(impl GenericClient + Sync),
        passwords: &Passwords,
    ) -> Result<BTreeMap<Role, Login>, Error> {
        run.unless_stopped(async {
            let stored = password::stored(client, &self.roles).await.doing(READ)?;
            Ok(password::logins(&self.database, &self.roles, passwords, stored).await)
        })
        .await
    }
}

/// One run of `roles apply`, with the migration lock held.
struct Work<'a> {
    names: &'a Names,
    passwords: &'a Passwords,
    logins: BTreeMap<Role, Login>,
}

impl Attempt for Work<'_> {
    /// The changes, and the roles that existed before.
    type Done = (Vec<String>, Vec<String>);

    fn name(&self) -> String {
        "roles apply".into()
    }

    fn is_transaction(&self) -> bool {
        true
    }

    /// Changing an owner locks the table.
    async fn attempt(&self, session: &mut Session, _left: Duration) -> Result<Self::Done, AttemptError> {
        let changes = self.change_all(session).await;
        changes.map_err(|error| AttemptError {
            is_passing: is_passing(&error),
            ..AttemptError::new(error)
        })
    }
}

impl Work<'_> {
    async fn change_all(&self, session: &mut Session) -> Result<(Vec<String>, Vec<String>), Error> {
        let (client, names) = (&mut session.client, self.names);
        session::require_schema(client, READ).await?;
        let acting = client.query_typed_one("SELECT current_user::text", &[]).await;
        let operator: String = acting.and_then(|row| row.try_get(0)).doing(READ)?;
        if let Some(role) = names.role(&operator) {
            return Err(Error::OwnRole { role });
        }
        let transaction = client.transaction().await.doing(CHANGE)?;
        let limit = format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'");
        transaction.batch_execute(&limit).await.doing(CHANGE)?;
        let mut existing = existing(&transaction, names).await.doing(READ)?;
        let mut changes = Vec::new();
        for stage in STAGES {
            // Read anew: what one stage does changes what the next one finds.
            let differences = difference::read(&transaction, names, &[stage], false).await;
            self.change(&transaction, &differences.doing(READ)?, &mut changes)
                .await?;
            if stage == "roles" {
                let stored = password::stored(&transaction, names).await.doing(READ)?;
                let differences = password::differences(stored, names, self.passwords, &self.logins);
                self.change(&transaction, &differences, &mut changes).await?;
            }
        }
        let mut left = difference::read(&transaction, names, &STAGES, false)
            .await
            .doing(READ)?;
        left.retain(|difference| difference.finding.is_some());
        if !left.is_empty() {
            let left: Vec<&str> = left.iter().map(|difference| difference.todo.as_str()).collect();
            let left = left.join("; ");
            return Err(Error::RolesLeft { operator, left });
        }
        transaction.commit().await.doing(CHANGE)?;
        let is_granted = |name: &String| {
            let end = format!(" to {name}");
            changes
                .iter()
                .any(|change| change.starts_with("granted ") && change.ends_with(&end))
        };
        existing.retain(is_granted);
        Ok((changes, existing))
    }

    async fn change(
        &self,
        transaction: &Transaction<'_>,
        differences: &[Difference],
        changes: &mut Vec<String>,
    ) -> Result<(), Error> {
        let owner = escape_identifier(self.names.of(Role::Owner));
        for difference in differences {
            let Some(sql) = &difference.sql else { continue };
            let acting = match difference.as_owner {
                true => format!("SET LOCAL ROLE {owner}"),
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
        transaction.batch_execute("RESET ROLE").await.doing(CHANGE)
    }
}

/// Those of the roles that exist.
async fn existing(
    transaction: &Transaction<'_>,
    names: &Names,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let query = "SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1) ORDER BY rolname";
    let rows = transaction
        .query_typed(query, &[(&names.all(), Type::TEXT_ARRAY)])
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Another attempt may not meet it: a session has the lock, or changes the same role in another
/// database.
fn is_passing(error: &Error) -> bool {
    let passing = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::DUPLICATE_OBJECT,
        SqlState::UNIQUE_VIOLATION,
    ];
    let error = error.statement().and_then(tokio_postgres::Error::as_db_error);
    error.is_some_and(|error| {
        passing.contains(error.code()) || error.message() == "tuple concurrently updated"
    })
}
