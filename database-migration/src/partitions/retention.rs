//! Takes old partitions away: detaches them while orders are stored, exports them, and drops them.
//!
//! Each step leaves a state from which the next run goes on: a detached partition carries a mark in
//! its comment until it is dropped.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::plan::{first_id, old};
use super::{Make, Partition, TABLES, now, read};
use crate::attempts::{self, Attempt, AttemptError};
use crate::error::{Doing as _, Error};
use crate::run_context::RunContext;
use crate::session::{Session, set_lock_timeout};

/// The comment of partitions that are to be dropped.
const MARK: &str = "Older than the retention: database-migration partitions detaches and drops it.";

const DOING: &str = "take old partitions away";

/// Rows of states and events that one transaction deletes, at most.
const PIECE: i64 = 10_000;

/// Finishes what an interrupted `DETACH CONCURRENTLY` left, and takes away what is older than the
/// retention, if there is one; appends a line for each change.
pub(crate) async fn retain(
    run: &RunContext<'_>,
    session: &mut Session,
    make: &Make<'_>,
    changes: &mut Vec<String>,
) -> Result<(), Error> {
    let settings = make.settings;
    let found = read(&session.client).await.doing(DOING)?;
    let now = now(&session.client).await.doing(DOING)?;
    let retained = settings.retain_days > 0;
    let export = settings.export_dir.as_deref().map(|folder| Export {
        folder,
        run_id: run.migrator.run_id.to_string(),
    });
    if retained && let Some(export) = &export {
        export.check()?;
    }
    let mut leaving: Vec<(&Partition, bool)> = found
        .iter()
        .filter(|it| it.is_detaching)
        .map(|it| (it, false))
        .collect();
    if retained {
        for (table, _) in TABLES {
            let mut old = old(&found, now, settings.retain_days);
            old.retain(|it| it.table == table && !it.is_detaching);
            // What stands for everything earlier stays as long as it is empty.
            if let [only] = old.as_slice()
                && only.from.is_none()
                && is_empty(&session.client, &only.name).await.doing(DOING)?
            {
                continue;
            }
            leaving.extend(old.into_iter().map(|it| (it, true)));
        }
    }
    for (partition, marked) in leaving {
        let detach = Detach { partition, marked };
        attempts::make(run, session, &detach).await?;
        changes.push(format!("detached {}", partition.name));
    }
    // What is loaded with an earlier id has a place again.
    changes.extend(attempts::make(run, session, make).await?.0);
    if !retained {
        return Ok(());
    }
    let wait = set_lock_timeout(run.lock_wait());
    session.client.batch_execute(&wait).await.doing(DOING)?;
    let oldest = read(&session.client).await.doing(DOING)?;
    let cutoff = old(&oldest, now, settings.retain_days);
    if let Some(bound) = cutoff
        .iter()
        .filter(|it| it.table == "orders")
        .map(|it| it.to)
        .max()
    {
        for table in ["order_events", "order_states"] {
            run.unless_stopped(delete(&session.client, table, bound, export.as_ref(), changes))
                .await?;
        }
    }
    run.unless_stopped(drop_marked(&session.client, export.as_ref(), changes))
        .await
}

/// Detaches one partition.
struct Detach<'a> {
    partition: &'a Partition,
    /// Whether it is dropped afterwards.
    marked: bool,
}

impl Attempt for Detach<'_> {
    type Done = ();

    fn name(&self) -> String {
        format!("detaching {}", self.partition.name)
    }

    /// `CONCURRENTLY` makes two, and what the first did stays.
    fn is_transaction(&self) -> bool {
        false
    }

    /// Waits as long as it may for the transactions that use the table: no session queues up
    /// behind it.
    async fn attempt(&self, session: &mut Session, left: Duration) -> Result<(), AttemptError> {
        let detach = self.detach(&session.client, left).await;
        detach.map_err(|source| AttemptError::failed(self.name(), false, source))
    }
}

impl Detach<'_> {
    async fn detach(&self, client: &Client, left: Duration) -> Result<(), tokio_postgres::Error> {
        let Partition { table, name, .. } = self.partition;
        let part = escape_identifier(name);
        client.batch_execute(&set_lock_timeout(left)).await?;
        // Read anew: an attempt that was given up may have done its first half.
        let found = read(client).await?;
        let Some(now) = found.iter().find(|it| it.name == *name) else {
            return Ok(());
        };
        if self.marked {
            client
                .batch_execute(&format!("COMMENT ON TABLE {part} IS '{MARK}'"))
                .await?;
        }
        let how = if now.is_detaching {
            "FINALIZE"
        } else {
            "CONCURRENTLY"
        };
        client
            .batch_execute(&format!("ALTER TABLE {table} DETACH PARTITION {part} {how}"))
            .await
    }
}

async fn is_empty(client: &Client, table: &str) -> Result<bool, tokio_postgres::Error> {
    let question = format!("SELECT NOT EXISTS (SELECT FROM {})", escape_identifier(table));
    client.query_typed_one(&question, &[]).await?.try_get(0)
}

/// Deletes the rows of orders before the bound, in pieces, after they were exported.
async fn delete(
    client: &Client,
    table: &str,
    bound: DateTime<Utc>,
    export: Option<&Export<'_>>,
    changes: &mut Vec<String>,
) -> Result<(), Error> {
    let bound_id = first_id(bound);
    let some = format!("SELECT EXISTS (SELECT FROM {table} WHERE order_id < '{bound_id}')");
    let row = client.query_typed_one(&some, &[]).await.doing(DOING)?;
    if !row.try_get::<_, bool>(0).doing(DOING)? {
        return Ok(());
    }
    if let Some(export) = export {
        let rows = format!("SELECT * FROM {table} WHERE order_id < '{bound_id}'");
        changes.push(export.write(client, table, &rows).await?);
    }
    let piece = format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM {table} WHERE order_id < '{bound_id}' ORDER BY order_id LIMIT {PIECE}))"
    );
    let mut deleted = 0;
    loop {
        match client.execute(&piece, &[]).await.doing(DOING)? {
            0 => break,
            rows => deleted += rows,
        }
    }
    changes.push(format!(
        "deleted {deleted} rows of {table} before {}",
        bound.date_naive()
    ));
    Ok(())
}

const MARKED: &str = "
SELECT relname::text FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = current_schema()
WHERE relkind = 'r' AND NOT relispartition AND obj_description(pg_class.oid, 'pg_class') = $1
ORDER BY 1
";

/// Drops the detached partitions that carry the mark, also those of an interrupted run.
async fn drop_marked(
    client: &Client,
    export: Option<&Export<'_>>,
    changes: &mut Vec<String>,
) -> Result<(), Error> {
    let marked = client
        .query_typed(MARKED, &[(&MARK, Type::TEXT)])
        .await
        .doing(DOING)?;
    for row in marked {
        let name: &str = row.try_get(0).doing(DOING)?;
        let part = escape_identifier(name);
        if let Some(export) = export
            && !is_empty(client, name).await.doing(DOING)?
        {
            let rows = format!("SELECT * FROM {part}");
            changes.push(export.write(client, name, &rows).await?);
        }
        let drop = format!("DROP TABLE {part}");
        client.batch_execute(&drop).await.doing(DOING)?;
        changes.push(format!("dropped {name}"));
    }
    Ok(())
}

/// Where rows are written before they are deleted. A file is never written over: its name has the
/// run's id, and what two files have in common has the same key.
struct Export<'a> {
    folder: &'a Path,
    run_id: String,
}

impl Export<'_> {
    /// A folder that takes no files is refused before any order leaves its table.
    fn check(&self) -> Result<(), Error> {
        let file = self.folder.join(format!("{}.partial", self.run_id));
        let tried = File::create(&file).and_then(|_| fs::remove_file(&file));
        tried.map_err(|source| Error::Export {
            file: self.folder.display().to_string(),
            source,
        })
    }

    /// Writes the rows as CSV with a header; the file has its name once all of it is on disk.
    async fn write(&self, client: &Client, table: &str, rows: &str) -> Result<String, Error> {
        let file = self.folder.join(format!("{table}-{}.csv", self.run_id));
        let partial = file.with_extension("csv.partial");
        let failed = |source| Error::Export {
            file: file.display().to_string(),
            source,
        };
        let mut output = File::create(&partial).map_err(failed)?;
        let copy = format!("COPY ({rows}) TO STDOUT (FORMAT csv, HEADER)");
        let stream = client.copy_out(&copy).await.doing("export old orders")?;
        let mut stream = std::pin::pin!(stream);
        while let Some(piece) = stream.try_next().await.doing("export old orders")? {
            output.write_all(&piece).map_err(failed)?;
        }
        output.sync_all().map_err(failed)?;
        fs::rename(&partial, &file).map_err(failed)?;
        // The name itself has to be on disk, too, before the rows are dropped.
        let folder = File::open(self.folder).map_err(failed)?;
        folder.sync_all().map_err(failed)?;
        Ok(format!("exported {table} to {}", file.display()))
    }
}
