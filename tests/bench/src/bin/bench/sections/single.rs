//! Orders over one connection: the time of one.

use super::{ORDER_FOOD, PGBENCH};
use crate::figures::{Subject, alternate};
use crate::load::ORDERS;
use crate::pgbench;
use crate::report::Report;
use crate::setup::{Keeps, Setup};

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("single")?;
    database.sql.run(pgbench::TABLE)?;
    let real = setup.order_food(&database)?;
    let series = alternate(
        "single",
        setup.arguments.rounds,
        [
            Subject::new(ORDER_FOOD, || {
                setup.orders((&real, &database, Keeps::Everything), 1, ORDERS)
            }),
            Subject::new(PGBENCH, || setup.pgbench(&database, 1)),
        ],
    )?;

    let [of_real, of_pgbench] = &series;
    report.at_most(
        "POST, 1 connection, p50 against pgbench's bare INSERT",
        of_real.through(of_pgbench, |run| run.p50_ms),
        2.2,
        "×",
    );
    report.all_accepted("POST, 1 connection", of_real);
    report.add(series);
    Ok(())
}
