//! One migrator at a time: an advisory lock that ends with its session.

use std::time::{Duration, Instant};

use database::locks;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::{Doing as _, Error};
use crate::event::Event;
use crate::session::{AS_BEFORE, AS_ITSELF};

/// The pauses between two tries grow from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

const HOLDER: &str = "
SELECT format('process %s (%s), connected since %s', lock.pid,
    coalesce(nullif(session.application_name, ''), 'unnamed'),
    coalesce(to_char(session.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'an unknown time'))
FROM pg_locks AS lock
LEFT JOIN pg_stat_activity AS session ON session.pid = lock.pid
WHERE lock.locktype = 'advisory'
    AND lock.granted
    AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND lock.objsubid = 1
    AND (lock.classid::bigint << 32 | lock.objid::bigint) = $1
";

/// Takes the migration lock for the rest of the session.
///
/// Asks again and again instead of waiting inside PostgreSQL: the snapshot of a statement that waits
/// would be waited for by `CREATE INDEX CONCURRENTLY`, which the holder may be running.
pub(crate) async fn acquire(client: &Client, timeout: Duration, tell: impl Fn(Event)) -> Result<(), Error> {
    let started = Instant::now();
    let mut pause = PAUSES.0;
    let mut said = false;
    while !try_acquire(client).await? {
        let waited = started.elapsed();
        if waited >= timeout {
            let holder = holder(client)
                .await?
                .unwrap_or_else(|| "a session that has just ended".into());
            return Err(Error::LockHeld { holder, waited });
        }
        if !said && let Some(holder) = holder(client).await? {
            tell(Event::Waiting {
                message: format!("Waiting: the migration lock is held by {holder}"),
            });
            said = true;
        }
        tokio::time::sleep(pause.min(timeout - waited)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
    Ok(())
}

async fn try_acquire(client: &Client) -> Result<bool, Error> {
    let doing = "take the migration lock";
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
        &[(&locks::MIGRATION, Type::INT8)];
    let row = client
        .query_typed_one("SELECT pg_try_advisory_lock($1)", parameters)
        .await
        .doing(doing)?;
    row.try_get(0).doing(doing)
}

/// Process id, application name and since when; none if nobody holds it any more.
async fn holder(client: &Client) -> Result<Option<String>, Error> {
    let doing = "look for the holder of the migration lock";
    client.batch_execute(AS_ITSELF).await.doing(doing)?;
    let row = client
        .query_typed_opt(HOLDER, &[(&locks::MIGRATION, Type::INT8)])
        .await
        .doing(doing)?;
    client.batch_execute(AS_BEFORE).await.doing(doing)?;
    row.map(|row| row.try_get(0)).transpose().doing(doing)
}
