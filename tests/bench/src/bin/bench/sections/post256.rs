//! Orders over 256 connections.

use crate::figures::{Subject, alternate};
use crate::load::ORDERS;
use crate::report::Report;
use crate::setup::{Keeps, Setup};

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("post256")?;
    let real = setup.order_food(&database)?;
    let load = |connections| setup.orders((&real, &database, Keeps::Everything), connections, ORDERS);
    let series = alternate(
        "post256",
        setup.arguments.rounds,
        [
            Subject::new("order-food, 64 connections", || load(64)),
            Subject::new("order-food, 256 connections", || load(256)),
        ],
    )?;

    let [few, many] = &series;
    report.at_least(
        "POST, 256 connections, against 64 connections",
        many.rate_through(few),
        1.0,
        "×",
    );
    report.at_most("POST, 256 connections, p99", many.p99_ms(), 15.0, "ms");
    report.all_accepted("POST, 256 connections", many);
    report.add(series);
    Ok(())
}
