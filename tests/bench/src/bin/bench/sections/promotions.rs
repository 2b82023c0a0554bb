//! The same limited promotion on each order: with uses left, and sold out.

use super::FLOOR;
use crate::figures::{Subject, alternate};
use crate::load::{ORDERS, Requests};
use crate::report::{Check, Report};
use crate::setup::{Keeps, Setup};
use crate::sql::Stored;

const CONNECTIONS: u64 = 64;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("promotions")?;
    let floor = setup.floor(&database)?;
    let real = setup.order_food(&database)?;
    let each = |codes| Requests::Orders {
        share: 100,
        codes,
        keyed: false,
    };
    let series = alternate(
        "promotions",
        setup.arguments.rounds,
        [
            Subject::new(FLOOR, || {
                setup.orders((&floor, &database, Keeps::Nothing), CONNECTIONS, ORDERS)
            }),
            Subject::new("order-food, a limited promotion on each", || {
                setup.orders(
                    (&real, &database, Keeps::Everything),
                    CONNECTIONS,
                    each(&["HOTDEAL"]),
                )
            }),
            Subject::new("order-food, a sold-out promotion on each", || {
                setup.orders(
                    (&real, &database, Keeps::Refused),
                    CONNECTIONS,
                    each(&["SOLDOUT"]),
                )
            }),
        ],
    )?;
    let orders = database.sql.stored()?.orders;
    let used = "SELECT coalesce(sum(uses), 0)::bigint FROM promotion_uses WHERE code = 'HOTDEAL'";
    let uses = database.sql.number(used)?;
    setup.note(Check {
        what: format!("{uses} uses of the limited promotion counted for {orders} orders"),
        answered: 0,
        stored: Stored::default(),
        unread: 0,
        holds: uses == orders,
    });

    let [of_floor, hot, sold_out] = &series;
    let what = |which| format!("POST with {which} on each, against the floor");
    report.at_least(&what("a limited promotion"), hot.rate_through(of_floor), 0.3, "×");
    report.at_least(
        &what("a sold-out promotion"),
        sold_out.rate_through(of_floor),
        0.4,
        "×",
    );
    report.all_accepted("POST with a limited promotion on each", hot);
    report.add(series);
    Ok(())
}
