//! A fresh Idempotency-Key on each order.

use super::FLOOR;
use crate::figures::{Subject, alternate};
use crate::load::{KEYED_ORDERS, ORDERS};
use crate::report::Report;
use crate::setup::{Keeps, Setup};

const CONNECTIONS: u64 = 64;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("keyed")?;
    let floor = setup.floor(&database)?;
    let real = setup.order_food(&database)?;
    let series = alternate(
        "keyed",
        setup.arguments.rounds,
        [
            Subject::new(FLOOR, || {
                setup.orders((&floor, &database, Keeps::Nothing), CONNECTIONS, ORDERS)
            }),
            Subject::new("order-food, a fresh Idempotency-Key on each", || {
                setup.orders((&real, &database, Keeps::Everything), CONNECTIONS, KEYED_ORDERS)
            }),
        ],
    )?;

    let [of_floor, of_keyed] = &series;
    report.at_least(
        "POST with a fresh Idempotency-Key, against the floor",
        of_keyed.rate_through(of_floor),
        0.4,
        "×",
    );
    report.all_accepted("POST with a fresh Idempotency-Key", of_keyed);
    report.add(series);
    Ok(())
}
