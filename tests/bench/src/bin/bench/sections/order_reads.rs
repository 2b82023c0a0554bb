//! Stored orders, single ones and pages of 20, against an earlier build.

use super::ORDER_FOOD;
use super::large::{READER, fill};
use crate::figures::{Subject, alternate};
use crate::load::Requests;
use crate::report::Report;
use crate::server::Server;
use crate::setup::Setup;

const CONNECTIONS: u64 = 64;
const ORDERS: u64 = 300_000;
/// Orders that are read by their ids, again and again, and pages that begin after them.
const READ: u64 = 20_000;
/// How many orders lie before the deep page.
const DEPTH: u64 = 100_000;

/// What is read: its name, a path or a file of paths, and the least of the rate of before.
struct Read<'a> {
    what: &'static str,
    requests: Requests<'a>,
    wanted: f64,
}

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("order_reads")?;
    fill(&database, ORDERS)?;
    let lines = |name: &str, path: &str| {
        let text = database.sql.text(&format!(
            "SELECT string_agg('{path}' || id, E'\n') FROM (SELECT id FROM orders ORDER BY md5(id::text) LIMIT {READ}) AS chosen"
        ))?;
        let file = setup.cluster.home().join(name);
        std::fs::write(&file, text)?;
        anyhow::Ok(file)
    };
    let file = lines("orders.paths", "/api/order/")?;
    let pages = lines("pages.paths", "/api/order?cursor=")?;
    let deep = database.sql.text(&format!(
        "SELECT '/api/order?cursor=' || id FROM orders ORDER BY id DESC OFFSET {DEPTH} LIMIT 1"
    ))?;
    let reads = [
        ("GET /api/order/{id}", Requests::Each(&file, READER), 3.0),
        ("GET /api/order", Requests::Get("/api/order", "apitest"), 1.5),
        ("GET /api/order, deep", Requests::Get(&deep, "apitest"), 1.5),
        (
            "GET /api/order, all orders",
            Requests::Get("/api/order", READER),
            1.5,
        ),
        (
            "GET /api/order, each another page",
            Requests::Each(&pages, "apitest"),
            1.5,
        ),
    ]
    .map(|(what, requests, wanted)| Read {
        what,
        requests,
        wanted,
    });
    let real = setup.order_food(&database)?;
    let before = setup.before(&database)?;
    for read in &reads {
        let load = |server: &Server| setup.load(server, CONNECTIONS, read.requests);
        let name = format!("{ORDER_FOOD}, {}", read.what);
        let name_before = format!("order-food of before, {}", read.what);
        let now = Subject::new(&name, || load(&real));
        let rounds = setup.arguments.rounds;
        let of_now = match &before {
            Some(before) => {
                let of_before = Subject::new(&name_before, || load(before));
                let [of_before, of_now] = alternate("order-reads", rounds, [of_before, now])?;
                let what = format!("{}, 64 connections, against order-food of before", read.what);
                report.at_least(&what, of_now.rate_through(&of_before), read.wanted, "×");
                report.add([of_before]);
                of_now
            }
            None => {
                let [of_now] = alternate("order-reads", rounds, [now])?;
                let what = format!("{}, 64 connections, p50", read.what);
                report.told(&what, of_now.p50_ms(), "ms");
                of_now
            }
        };
        report.all_accepted(read.what, &of_now);
        report.add([of_now]);
    }
    Ok(())
}
