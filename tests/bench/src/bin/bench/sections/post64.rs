//! Orders over 64 connections: against the floor, one transaction per order, and pgbench.

use super::{FLOOR, ONE_TRANSACTION, ORDER_FOOD, PGBENCH};
use crate::answers;
use crate::figures::{Subject, alternate};
use crate::load::{ORDERS, Requests};
use crate::pgbench;
use crate::report::Report;
use crate::setup::{Keeps, Setup};

const CONNECTIONS: u64 = 64;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("post64")?;
    database.sql.run(pgbench::TABLE)?;
    let code = database.sql.text("SELECT min(code) FROM coupon_codes")?;
    let bulk = Requests::Orders {
        share: 50,
        codes: &[&code],
        keyed: false,
    };
    let floor = setup.floor(&database)?;
    let real = setup.order_food(&database)?;
    let one = setup.one_transaction(&database)?;
    let load = |server, keeps, requests| setup.orders((server, &database, keeps), CONNECTIONS, requests);
    let series = alternate(
        "post64",
        setup.arguments.rounds,
        [
            Subject::new(FLOOR, || load(&floor, Keeps::Nothing, ORDERS)),
            Subject::new(ORDER_FOOD, || load(&real, Keeps::Everything, ORDERS)),
            Subject::new("order-food, half with a code of the coupon files", || {
                load(&real, Keeps::Everything, bulk)
            }),
            Subject::new(ONE_TRANSACTION, || load(&one, Keeps::Everything, ORDERS)),
            Subject::new(PGBENCH, || setup.pgbench(&database, CONNECTIONS)),
        ],
    )?;
    answers::compare(setup, &real, &database)?;
    let memory = real.most_memory_mb()?;

    let [of_floor, of_real, _, of_one, of_pgbench] = &series;
    let what = |against| format!("POST, 64 connections, against {against}");
    report.at_least(&what("the floor"), of_real.rate_through(of_floor), 0.5, "×");
    report.at_least(&what(ONE_TRANSACTION), of_real.rate_through(of_one), 8.0, "×");
    report.at_least(&what(PGBENCH), of_real.rate_through(of_pgbench), 1.3, "×");
    report.at_most("POST, 64 connections, p99", of_real.p99_ms(), 6.0, "ms");
    report.all_accepted("POST, 64 connections", of_real);
    report.at_most("resident memory after that load", memory, 40.0, "MB");
    report.add(series);
    Ok(())
}
