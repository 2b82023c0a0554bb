//! The cost of a coupon code, when few codes are in memory and when millions are in the table.

use super::ORDER_FOOD;
use crate::figures::{Series, Subject, alternate};
use crate::load::Requests;
use crate::report::Report;
use crate::setup::{Database, Keeps, Setup};

/// Valid codes, with those of the sample data.
const FEW: u64 = 8;
const MANY: u64 = 5_000_000;
/// Different codes that the orders carry.
const ASKED: u64 = 100;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let few = setup.database("few_codes")?;
    let many = setup.database("many_codes")?;
    for (database, codes) in [(&few, FEW), (&many, MANY)] {
        database.sql.run(&format!(
            "INSERT INTO coupon_codes (version, code)
             SELECT version, 'C' || lpad(n::text, 9, '0')
             FROM (SELECT max(version) AS version, count(*) AS count FROM coupon_codes) AS active,
                 generate_series(1, {codes} - count) AS n"
        ))?;
    }
    many.sql.run("VACUUM ANALYZE coupon_codes")?;
    let (of_few, of_many) = (setup.order_food(&few)?, setup.order_food(&many)?);
    let asked = |database: &Database| {
        database.sql.text(&format!(
            "SELECT string_agg(code, ' ') FROM (
                 SELECT code FROM coupon_codes WHERE code NOT IN (SELECT code FROM promotions) ORDER BY md5(code) LIMIT {ASKED}
             ) AS asked"
        ))
    };
    let (few_asked, many_asked) = (asked(&few)?, asked(&many)?);
    let orders = |server, database, share, codes: &str| {
        let codes: Vec<&str> = codes.split(' ').collect();
        let requests = Requests::Orders {
            share,
            codes: &codes,
            keyed: false,
        };
        setup.orders((server, database, Keeps::Everything), 1, requests)
    };
    let series = alternate(
        "coupons",
        setup.arguments.rounds,
        [
            Subject::new("order-food, no code, few are valid", || {
                orders(&of_few, &few, 0, &few_asked)
            }),
            Subject::new("order-food, a code of few", || {
                orders(&of_few, &few, 100, &few_asked)
            }),
            Subject::new("order-food, no code, 5 million are valid", || {
                orders(&of_many, &many, 0, &many_asked)
            }),
            Subject::new("order-food, a code of 5 million", || {
                orders(&of_many, &many, 100, &many_asked)
            }),
        ],
    )?;

    let [few_without, few_with, many_without, many_with] = &series;
    let what = |codes: &str| format!("a coupon code of {codes}, 1 connection, adds to p50");
    report.at_most(&what("8"), added(few_with, few_without), 0.1, "ms");
    report.at_most(&what("5 million"), added(many_with, many_without), 0.1, "ms");
    for (server, codes) in [(&of_few, "8"), (&of_many, "5 million")] {
        let what = format!("resident memory of {ORDER_FOOD} with {codes} coupon codes");
        report.at_most(&what, server.most_memory_mb()?, 40.0, "MB");
    }
    for one in &series {
        report.all_accepted(&one.name, one);
    }
    report.add(series);
    Ok(())
}

/// Milliseconds by which the one's p50 is above the other's: the median over the rounds.
fn added(with: &Series, without: &Series) -> f64 {
    let differences = with.runs.iter().zip(&without.runs);
    crate::figures::median(
        differences
            .map(|(with, without)| with.p50_ms - without.p50_ms)
            .collect(),
    )
}
