//! Orders, and orders with an Idempotency-Key, against an earlier build.

use anyhow::Context;

use super::ORDER_FOOD;
use crate::figures::{Subject, alternate};
use crate::load::{KEYED_ORDERS, ORDERS};
use crate::report::Report;
use crate::server::Server;
use crate::setup::{Database, Keeps, Setup};

const CONNECTIONS: u64 = 64;
const BEFORE: &str = "order-food of before";

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let (database, database_before) = (setup.database("now")?, setup.database("before")?);
    let now = setup.order_food(&database)?;
    let before = setup
        .before(&database_before)?
        .context("`before` needs --before, an earlier build of order-food")?;
    for (what, requests) in [
        ("POST", ORDERS),
        ("POST with a fresh Idempotency-Key", KEYED_ORDERS),
    ] {
        let load = |server: &Server, database: &Database| {
            setup.orders((server, database, Keeps::Everything), CONNECTIONS, requests)
        };
        let series = alternate(
            "before",
            setup.arguments.rounds,
            [
                Subject::new(BEFORE, || load(&before, &database_before)),
                Subject::new(ORDER_FOOD, || load(&now, &database)),
            ],
        )?;
        let [of_before, of_now] = &series;
        let what = format!("{what}, 64 connections, against {BEFORE}");
        report.at_least(&what, of_now.rate_through(of_before), 0.97, "×");
        report.all_accepted(&what, of_now);
        report.add(series);
    }
    Ok(())
}
