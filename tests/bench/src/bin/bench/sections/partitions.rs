//! Orders and pages of orders: tables in 13 partitions against tables of one piece.

use std::process::Command;

use anyhow::ensure;

use super::large::{READER, fill};
use crate::figures::{Subject, alternate};
use crate::load::{ORDERS, Requests};
use crate::report::Report;
use crate::setup::{Keeps, Setup};

const CONNECTIONS: u64 = 64;
const STORED: u64 = 300_000;
const PARTITIONED: &str = "13 partitions";
const WHOLE: &str = "one table";
/// Makes a table of the same columns, conditions and indexes, without partitions.
const MAKE_WHOLE: &str = "
    CREATE TABLE whole_orders (LIKE orders INCLUDING ALL);
    CREATE TABLE whole_items (LIKE order_items INCLUDING ALL);
    DROP TABLE orders, order_items;
    ALTER TABLE whole_orders RENAME TO orders;
    ALTER TABLE whole_items RENAME TO order_items";

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let (parts, whole) = (setup.database("parts")?, setup.database("whole")?);
    let output = Command::new(setup.binary("database-migration"))
        .args(["partitions", "--ahead", "12"])
        .env("DATABASE_URL", &parts.url)
        .env("JAEGER_ENDPOINT", "none")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "database-migration partitions: {said}");
    whole.sql.run(MAKE_WHOLE)?;
    for database in [&parts, &whole] {
        fill(database, STORED)?;
    }
    let (in_parts, in_whole) = (setup.order_food(&parts)?, setup.order_food(&whole)?);
    let orders = |server, database| setup.orders((server, database, Keeps::Everything), CONNECTIONS, ORDERS);
    let series = alternate(
        "partitions",
        setup.arguments.rounds,
        [
            Subject::new(WHOLE, || orders(&in_whole, &whole)),
            Subject::new(PARTITIONED, || orders(&in_parts, &parts)),
        ],
    )?;
    let [of_whole, of_parts] = &series;
    let what = format!("POST, 64 connections, {PARTITIONED} against {WHOLE}");
    report.at_least(&what, of_parts.rate_through(of_whole), 0.97, "×");
    report.all_accepted(&what, of_parts);
    report.add(series);
    for (what, key) in [("own orders", "apitest"), ("all orders", READER)] {
        let page = |server| setup.load(server, 1, Requests::Get("/api/order", key));
        let series = alternate(
            "partitions",
            setup.arguments.rounds,
            [
                Subject::new(WHOLE, || page(&in_whole)),
                Subject::new(PARTITIONED, || page(&in_parts)),
            ],
        )?;
        let [of_whole, of_parts] = &series;
        let what = format!("GET /api/order, {what}, 1 connection, p50, {PARTITIONED} more than {WHOLE}");
        report.at_most(&what, of_parts.p50_ms() - of_whole.p50_ms(), 0.3, "ms");
        report.all_accepted(&what, of_parts);
        report.add(series);
    }
    Ok(())
}
