//! An export of all orders: what it costs the orders, and how much memory and time it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::large;
use crate::figures::{Subject, alternate};
use crate::load::ORDERS;
use crate::report::Report;
use crate::setup::{Database, Keeps, Setup};
use crate::sql::Sql;

const CONNECTIONS: u64 = 64;
const LONGEST: Duration = Duration::from_secs(900);

const ENQUEUE: &str = "
    INSERT INTO job (kind, priority, timeout_ms, payload)
    VALUES ('reporting.export', 3, 900000, jsonb_build_object('data', 'orders', 'format', 'csv', 'gzip', true,
        'days', jsonb_build_object('from', (now() - interval '300 days')::date, 'to', (now() + interval '1 day')::date)))";
const WAITING: &str = "SELECT count(*) FROM job WHERE kind = 'reporting.export'";
const RUNNING: &str = "SELECT count(*) FROM job WHERE kind = 'reporting.export' AND state = 1";
/// Milliseconds of the longest transaction of a worker.
const LONGEST_TRANSACTION: &str = "
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start) * 1000), 0)::bigint
    FROM pg_stat_activity WHERE application_name LIKE 'order-food-worker%' AND state <> 'idle'";

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("exported")?;
    large::fill(&database, setup.arguments.orders)?;
    let server = setup.order_food(&database)?;
    let folder = setup.cluster.home().join("exports");
    std::fs::create_dir_all(&folder)?;
    let location = ("REPORT_LOCATION", folder.to_string_lossy().into_owned());
    let worker = setup.worker(&database, std::slice::from_ref(&location))?;
    let idle_mb = worker.most_memory_mb()?;
    let watch = Watch::start(&database)?;
    let load = || setup.orders((&server, &database, Keeps::Everything), CONNECTIONS, ORDERS);
    let series = alternate(
        "export",
        setup.arguments.rounds,
        [
            Subject::new("order-food", load),
            Subject::new("order-food during an export", || {
                if database.sql.number(WAITING)? == 0 {
                    database.sql.run(ENQUEUE)?;
                }
                until(&database, RUNNING, 1)?;
                let run = load()?;
                ensure!(
                    database.sql.number(RUNNING)? == 1,
                    "the export ended too early: more --orders"
                );
                setup.order_food_command(
                    &database,
                    &["jobs", "pause", "kind:reporting.export", "--reason", "bench"],
                )?;
                database
                    .sql
                    .run("UPDATE job SET cancel_requested_at = now() WHERE kind = 'reporting.export'")?;
                until(&database, WAITING, 0)?;
                setup.order_food_command(&database, &["jobs", "resume", "kind:reporting.export"])?;
                Ok(run)
            }),
        ],
    )?;
    let [alone, during] = &series;
    report.at_least("POST during an export", during.rate_through(alone), 0.9, "×");
    report.add(series);

    let orders = database.sql.number("SELECT count(*) FROM orders")?;
    let began = Instant::now();
    database.sql.run(ENQUEUE)?;
    until(&database, WAITING, 0)?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(
        database
            .sql
            .number("SELECT count(*) FROM job_dead WHERE reason <> 'cancelled'")?
            == 0,
        "the export failed"
    );
    report.told("an export of all orders", orders as f64 / seconds, "orders/s");
    let what = format!("memory that an export of {orders} orders takes");
    report.at_most(&what, worker.most_memory_mb()? - idle_mb, 64.0, "MB more");
    report.at_most(
        "longest transaction of an export",
        watch.stop()? as f64 / 1e3,
        5.0,
        "s",
    );
    Ok(())
}

fn until(database: &Database, number: &str, expected: i64) -> anyhow::Result<()> {
    let deadline = Instant::now() + LONGEST;
    while database.sql.number(number)? != expected {
        ensure!(
            Instant::now() < deadline,
            "not within {LONGEST:?}: {number} = {expected}"
        );
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Looks for long transactions, ten times a second.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<anyhow::Result<i64>>,
}

impl Watch {
    fn start(database: &Database) -> anyhow::Result<Watch> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, url) = (is_over.clone(), database.url.clone());
        let thread = thread::spawn(move || {
            let (sql, mut longest) = (Sql::connect(&url)?, 0);
            while !over.load(Ordering::Relaxed) {
                longest = longest.max(sql.number(LONGEST_TRANSACTION)?);
                thread::sleep(Duration::from_millis(100));
            }
            Ok(longest)
        });
        Ok(Watch { is_over, thread })
    }

    /// Milliseconds of the longest.
    fn stop(self) -> anyhow::Result<i64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the watch")?
    }
}
