//! Advisory locks that end with their session, and the session that holds one.

use std::time::{Duration, Instant};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::session::{RESET_ROLE, SET_ROLE_NONE};

/// The pauses between two tries double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// How long the server may take to answer the last try.
const ANSWER: Duration = Duration::from_secs(2);

const HOLDER: &str = "
SELECT string_agg(
    format('process %s (%s), connected since %s', lock.pid,
        coalesce(nullif(session.application_name, ''), 'unnamed'),
        coalesce(to_char(session.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'an unknown time')),
    ', ')
FROM pg_locks AS lock
LEFT JOIN pg_stat_activity AS session ON session.pid = lock.pid
WHERE lock.locktype = 'advisory'
    AND lock.granted
    AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND lock.classid = $1::oid AND lock.objsubid = $2 AND lock.objid =
";

/// The key of an advisory lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// `pg_advisory_lock(number)`
    Number(i64),
    /// `pg_advisory_lock(class, hashtext(name))`
    Name(i32, &'a str),
}

/// No lock.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Another session held the lock all the time.
    #[error("the lock is held by {holder}; gave up after {} s", waited.as_secs())]
    Held {
        /// Process id, application name, since when; or that it has just ended.
        holder: String,
        /// How long this process waited.
        waited: Duration,
    },
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Takes the lock for the rest of the session, or until [`release`].
///
/// Asks again and again instead of waiting inside PostgreSQL: a statement that waits holds a
/// snapshot, for which `CREATE INDEX CONCURRENTLY` and vacuum wait. `waiting` is called once with
/// the holder in words, as soon as one is known.
///
/// # Errors
/// [`AcquireError::Held`] after `timeout`, or 2 s later where the server does not answer; a timeout
/// of zero tries once.
pub async fn acquire(
    client: &Client,
    key: Key<'_>,
    timeout: Duration,
    waiting: impl FnOnce(&str),
) -> Result<(), AcquireError> {
    let limit = timeout + ANSWER;
    let acquired = tokio::time::timeout(limit, ask_again(client, key, timeout, waiting)).await;
    acquired.unwrap_or_else(|_| {
        Err(AcquireError::Held {
            holder: "an unknown session: the server does not answer".into(),
            waited: limit,
        })
    })
}

async fn ask_again(
    client: &Client,
    key: Key<'_>,
    timeout: Duration,
    waiting: impl FnOnce(&str),
) -> Result<(), AcquireError> {
    let started = Instant::now();
    let mut waiting = Some(waiting);
    let mut pause = PAUSES.0;
    while !try_acquire(client, key).await? {
        let waited = started.elapsed();
        let is_over = waited >= timeout;
        if is_over || waiting.is_some() {
            let holder = holder(client, key).await?;
            if is_over {
                let holder = holder.unwrap_or_else(|| "a session that has just ended".into());
                return Err(AcquireError::Held { holder, waited });
            }
            if let Some(holder) = holder
                && let Some(waiting) = waiting.take()
            {
                waiting(&holder);
            }
        }
        tokio::time::sleep(pause.min(timeout.saturating_sub(waited))).await;
        pause = (pause * 2).min(PAUSES.1);
    }
    Ok(())
}

/// Takes the lock if no other session holds it.
///
/// # Errors
/// Those of the database.
pub async fn try_acquire(client: &Client, key: Key<'_>) -> Result<bool, Error> {
    call(client, "pg_try_advisory_lock", key).await
}

/// Gives one acquisition of the lock back; `false` when this session did not hold it.
///
/// # Errors
/// Those of the database.
pub async fn release(client: &Client, key: Key<'_>) -> Result<bool, Error> {
    call(client, "pg_advisory_unlock", key).await
}

async fn call(client: &Client, function: &str, key: Key<'_>) -> Result<bool, Error> {
    let row = match key {
        Key::Number(number) => {
            let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&number, Type::INT8)];
            let query = format!("SELECT {function}($1)");
            client.query_typed_one(&query, &parameters).await?
        }
        Key::Name(class, name) => {
            let query = format!("SELECT {function}($1, hashtext($2))");
            let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&class, Type::INT4), (&name, Type::TEXT)];
            client.query_typed_one(&query, &parameters).await?
        }
    };
    row.try_get(0)
}

/// The session that holds the lock, in words: process id, application name, since when.
///
/// # Errors
/// Those of the database.
pub async fn holder(client: &Client, key: Key<'_>) -> Result<Option<String>, Error> {
    // PostgreSQL splits one number into two halves, and tells both kinds apart by `objsubid`.
    let (class, subid, object, name) = match key {
        Key::Number(number) => (
            (number >> 32) as i32,
            1_i16,
            "$3::bigint::oid",
            (number & 0xffff_ffff).to_string(),
        ),
        Key::Name(class, name) => (class, 2, "hashtext($3)::oid", name.to_owned()),
    };
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&class, Type::INT4), (&subid, Type::INT2), (&name, Type::TEXT)];
    client.batch_execute(SET_ROLE_NONE).await?;
    let row = client
        .query_typed_one(&format!("{HOLDER}{object}"), &parameters)
        .await?;
    client.batch_execute(RESET_ROLE).await?;
    row.try_get(0)
}
