//! The run of `up` and `down` under the lock: the migrations one after another.

use std::time::Instant;

use one_shot::{Heartbeat, SideChannel};
use tokio_postgres::Client;
use tracing::info;

use crate::error::{Error, count};
use crate::harness;
use crate::ledger;
use crate::migrator::Done;
use crate::run_context::RunContext;
use crate::session::Session;
use crate::source::{Direction, Migration};
use crate::state::SchemaState;

/// Runs, under the lock, the migrations that `choose` returns.
pub(super) async fn change<'a>(
    run: &RunContext<'_>,
    client: Client,
    direction: Direction,
    choose: impl Fn(&SchemaState) -> Result<Vec<&'a Migration>, Error>,
) -> Result<Done, Error> {
    let migrator = run.migrator;
    run.under_lock(client, async |session| {
        run.become_owner(session).await?;
        // Read anew: another migrator may have done the work while this one waited.
        let before = run.state(&session.client).await?;
        let chosen = choose(&before)?;
        let ensure = ledger::ensure(
            &mut session.client,
            &migrator.migrations,
            &migrator.roles,
            &migrator.build,
        );
        run.briefly("create the ledger", run.lock_wait(), ensure).await?;
        if chosen.is_empty() {
            let message = match before.is_complete {
                true => {
                    info!("Another migrator has done the work meanwhile");
                    None
                }
                false => Some("the ledger is now diesel's".to_owned()),
            };
            return Ok((migrator.done(before.version, before.version, 0), message));
        }
        let done = steps(run, session, direction, before.version, &chosen).await?;
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
    run: &RunContext<'_>,
    session: &mut Session,
    direction: Direction,
    version: i32,
    chosen: &[&Migration],
) -> Result<Done, Error> {
    let migrator = run.migrator;
    let of = chosen.len();
    let what = match direction {
        Direction::Up => "to apply",
        Direction::Down => "to revert",
    };
    let number = count(of, "migration");
    info!(version, "The database is at version {version}, {number} {what}");
    run.record_begin(&mut session.client).await;
    let channel = SideChannel::New(migrator.database.clone());
    let _heartbeat = Heartbeat::start(channel, vec![migrator.run_id]);
    let (mut retries, mut after) = (0, version);
    for (index, migration) in chosen.iter().enumerate() {
        if let Some(why) = run.deadline.reason() {
            return Err(Error::Stopped { why, during: None });
        }
        let (step, file) = (index + 1, direction.file(migration).0);
        info!(
            step,
            of,
            file,
            "Step {step} of {of}: {} {file}",
            direction.kind(migration)
        );
        let started = Instant::now();
        let attempts = harness::run(run, session, migration, direction).await?;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let at = match attempts {
            1 => String::new(),
            attempts => format!(" at attempt {attempts}"),
        };
        info!(
            step,
            of, file, duration_ms, attempts, "Step {step} of {of} done in {duration_ms} ms{at}"
        );
        retries += attempts - 1;
        after = match direction {
            Direction::Up => migration.version,
            Direction::Down => migration.version - 1,
        };
        migrator.saw(after);
    }
    Ok(migrator.done(version, after, retries))
}
