//! A new, vacuumed and analyzed database without orders against one in use.

use crate::figures::{Subject, alternate};
use crate::load::ORDERS;
use crate::report::Report;
use crate::setup::{Keeps, Setup};

const CONNECTIONS: u64 = 64;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let used = setup.database("warm")?;
    let first = setup.order_food(&used)?;
    setup.orders((&first, &used, Keeps::Everything), CONNECTIONS, ORDERS)?;
    drop(first);
    used.sql.run("VACUUM ANALYZE")?;
    let warm = setup.order_food(&used)?;
    let series = alternate(
        "cold",
        setup.arguments.rounds,
        [
            Subject::new("order-food, a database in use", || {
                setup.orders((&warm, &used, Keeps::Everything), CONNECTIONS, ORDERS)
            }),
            Subject::new("order-food, a new database, from its first order", || {
                let new = setup.database("cold")?;
                let server = setup.order_food(&new)?;
                setup.cold_orders((&server, &new), CONNECTIONS, ORDERS)
            }),
        ],
    )?;

    let [of_warm, of_cold] = &series;
    report.at_least(
        "POST into a new database, against one in use",
        of_cold.rate_through(of_warm),
        0.9,
        "×",
    );
    report.all_accepted("POST into a new database", of_cold);
    report.add(series);
    Ok(())
}
