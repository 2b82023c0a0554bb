//! The status of orders: changes, and how soon and at what cost they are seen elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;
use tokio::time::{interval, sleep};

use super::large::insert_key;
use crate::figures::{Run, Series, Subject, alternate};
use crate::http::Client;
use crate::load::ORDERS;
use crate::pgbench;
use crate::report::Report;
use crate::server::Server;
use crate::setup::{Database, Setup};
use crate::usage;

const CONNECTIONS: usize = 64;
const STREAMS: usize = 1_000;
/// Orders that changes may use up.
const ORDERS_STORED: usize = 300_000;
/// Orders that are picked up already.
const PICKED_UP: usize = 20_000;
/// The key that may change every order, and the one that placed them.
const STAFF: &str = "bench-changes";
const CUSTOMER: &str = "apitest";
const CUSTOMER_ID: &str = "018f4e5a-0000-7000-8000-0000000000a1";
const ACCEPTED: &str = r#"{"status":"accepted","readyInMinutes":20}"#;
const ORDER: &str = r#"{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}]}"#;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("status")?;
    let orders = fill(&database)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (one, other) = (setup.order_food(&database)?, setup.order_food(&database)?);
    let (followed, rest) = orders.split_at_checked(STREAMS).context("too few orders")?;
    streams(setup, report, &runtime, (&one, &other), followed)?;

    database.sql.run(pgbench::GUARDED_TABLES)?;
    let next = AtomicUsize::new(0);
    let series = alternate(
        "status",
        setup.arguments.rounds,
        [
            Subject::new("PUT /api/order/{id}/status", || {
                runtime.block_on(changes(&one, rest, &next, setup.arguments.seconds))
            }),
            Subject::new("pgbench, guarded UPDATE + INSERT", || {
                setup.pgbench_guarded(&database, CONNECTIONS as u64)
            }),
        ],
    )?;
    let [of_changes, of_pgbench] = &series;
    report.at_least(
        "PUT status, 64 connections, against pgbench doing a guarded UPDATE + INSERT",
        of_changes.rate_through(of_pgbench),
        0.5,
        "×",
    );
    report.all_accepted("PUT status", of_changes);
    report.add(series);
    Ok(())
}

/// The orders of the database, which are made here: placed now.
fn fill(database: &Database) -> anyhow::Result<Vec<String>> {
    let id = "018f4e5a-0000-7000-8000-0000000000b3";
    insert_key(&database.sql, id, STAFF, "{manage_orders}")?;
    database.sql.run(&format!(
        "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
         SELECT (lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint), 12, '0')
                || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
                '{CUSTOMER_ID}', 35.97, 0, 35.97
         FROM generate_series(1, {ORDERS_STORED}) AS n"
    ))?;
    // From a table known to be empty, PostgreSQL reads without the index until autovacuum has come.
    database.sql.run(&format!(
        "INSERT INTO order_states (order_id, status, version, changed_at)
         SELECT id, 'picked_up', 2, created_at FROM orders LIMIT {PICKED_UP};
         INSERT INTO order_events (order_id, version, from_status, to_status, at, actor)
         SELECT order_id, 2, 'ready', 'picked_up', changed_at, 'staff' FROM order_states"
    ))?;
    database.sql.run("VACUUM ANALYZE")?;
    let ids = database.sql.text(
        "SELECT string_agg(id::text, ',') FROM orders WHERE id NOT IN (SELECT order_id FROM order_states)",
    )?;
    Ok(ids.split(',').map(str::to_owned).collect())
}

/// Streams at one replica, changes at the other, with orders at half their rate.
fn streams(
    setup: &Setup,
    report: &mut Report,
    runtime: &Runtime,
    (one, other): (&Server, &Server),
    orders: &[String],
) -> anyhow::Result<()> {
    let rate = setup.load(one, CONNECTIONS as u64, ORDERS)?.rate / 2.0;
    let before = usage::memory_mb(other.process())?;
    let (after, latencies) = runtime.block_on(async {
        let mut clients = Vec::with_capacity(orders.len());
        for order in orders {
            let mut client = Client::connect(other.port, CUSTOMER).await?;
            client.follow(&format!("/api/order/{order}/events")).await?;
            client.until_event(1).await?;
            clients.push(client);
        }
        sleep(Duration::from_secs(1)).await;
        let after = usage::memory_mb(other.process())?;
        let ordering = tokio::spawn(place_orders(one.port, rate));
        let seen: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                tokio::spawn(async move {
                    client.until_event(2).await?;
                    anyhow::Ok(Instant::now())
                })
            })
            .collect();
        let mut staff = Client::connect(one.port, STAFF).await?;
        let mut sent = Vec::with_capacity(orders.len());
        for order in orders {
            sent.push(Instant::now());
            let path = format!("/api/order/{order}/status");
            staff.send("PUT", &path, ACCEPTED).await?;
            sleep(Duration::from_millis(5)).await;
        }
        let mut latencies = Vec::with_capacity(orders.len());
        for (sent, seen) in sent.into_iter().zip(try_join_all(seen).await?) {
            latencies.push(seen?.duration_since(sent).as_secs_f64() * 1e3);
        }
        ordering.abort();
        anyhow::Ok((after, latencies))
    })?;
    let run = Run::of(rate, latencies);
    let what = "a change at one replica to its event at another, 1,000 streams, orders at half their rate";
    report.at_most(&format!("{what}, p50"), run.p50_ms, 50.0, "ms");
    report.at_most(&format!("{what}, p99"), run.p99_ms, 1_000.0, "ms");
    report.at_most("memory for 1,000 streams", after - before, 30.0, "MB");
    report.add([Series {
        section: "status",
        name: "from PUT to the event elsewhere".to_owned(),
        runs: vec![run],
    }]);
    Ok(())
}

/// Places so many orders a second, until it is aborted.
async fn place_orders(port: u16, rate: f64) -> anyhow::Result<()> {
    let period = Duration::from_secs_f64(CONNECTIONS as f64 / rate);
    try_join_all((0..CONNECTIONS).map(|_| place_one_each(port, period))).await?;
    Ok(())
}

async fn place_one_each(port: u16, period: Duration) -> anyhow::Result<()> {
    let mut client = Client::connect(port, CUSTOMER).await?;
    let mut ticks = interval(period);
    loop {
        ticks.tick().await;
        client.send("POST", "/api/order", ORDER).await?;
    }
}

/// Accepts orders over many connections, each order once.
async fn changes(
    server: &Server,
    orders: &[String],
    next: &AtomicUsize,
    seconds: u64,
) -> anyhow::Result<Run> {
    let began = Instant::now();
    let limit = Duration::from_secs(seconds);
    let one = async || {
        let mut client = Client::connect(server.port, STAFF).await?;
        let mut latencies = Vec::new();
        while began.elapsed() < limit {
            let order = orders.get(next.fetch_add(1, Ordering::Relaxed));
            let order = order.context("all orders are used up: fewer SECONDS or ROUNDS")?;
            let sent = Instant::now();
            let path = format!("/api/order/{order}/status");
            client.send("PUT", &path, ACCEPTED).await?;
            latencies.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        anyhow::Ok(latencies)
    };
    let latencies = try_join_all((0..CONNECTIONS).map(|_| one())).await?;
    let took = began.elapsed().as_secs_f64();
    let latencies = latencies.concat();
    Ok(Run::of(latencies.len() as f64 / took, latencies))
}
