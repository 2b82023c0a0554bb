//! What webhooks cost the orders: no endpoint, one whose jobs wait, one whose jobs are delivered.

use anyhow::ensure;

use super::ORDER_FOOD;
use crate::figures::{Subject, alternate};
use crate::load::ORDERS;
use crate::report::Report;
use crate::server::Server;
use crate::setup::{Database, Keeps, Setup};
use crate::spans::Collector;

const CONNECTIONS: u64 = 64;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let [none, waiting, delivered] =
        ["no_endpoint", "endpoint_paused", "endpoint"].map(|name| setup.database(name));
    let (none, waiting, delivered) = (none?, waiting?, delivered?);
    let receiver = Collector::start()?;
    let url = format!("http://127.0.0.1:{}/hook", receiver.port);
    for database in [&waiting, &delivered] {
        setup.order_food_command(database, &["webhooks", "add", &url])?;
    }
    setup.order_food_command(
        &waiting,
        &["jobs", "pause", "kind:order.webhook", "--reason", "bench"],
    )?;
    let without = setup.order_food(&none)?;
    let paused = setup.order_food(&waiting)?;
    let delivering = setup.order_food(&delivered)?;
    let workers = [&none, &waiting, &delivered].map(|database| setup.worker(database, &[]));
    let [idle, holding, working] = workers;
    let (idle, _holding, working) = (idle?, holding?, working?);
    let idle_mb = idle.most_memory_mb()?;

    let load = |server: &Server, database: &Database| {
        setup.orders((server, database, Keeps::Everything), CONNECTIONS, ORDERS)
    };
    // A shop that is in use: autovacuum would come a minute later.
    for (server, database) in [(&without, &none), (&paused, &waiting)] {
        load(server, database)?;
        database.sql.run("VACUUM ANALYZE")?;
    }
    let costs = alternate(
        "webhooks",
        setup.arguments.rounds,
        [
            Subject::new(ORDER_FOOD, || load(&without, &none)),
            Subject::new("one endpoint, its jobs wait", || load(&paused, &waiting)),
        ],
    )?;
    // Apart from those: what is left of a round is delivered while the next one runs.
    let mut deliveries = Vec::new();
    let delivering = alternate(
        "webhooks",
        setup.arguments.rounds,
        [Subject::new("one endpoint, a worker delivers", || {
            let before = receiver.requests();
            let run = load(&delivering, &delivered)?;
            let seconds = (setup.arguments.seconds + 1) as f64;
            deliveries.push((receiver.requests() - before) as f64 / seconds);
            Ok(run)
        })],
    )?;
    let stored = waiting.sql.number("SELECT count(*) FROM orders")?;
    let jobs = waiting
        .sql
        .number("SELECT count(*) FROM job WHERE kind = 'order.webhook'")?;
    ensure!(stored == jobs, "{stored} orders and {jobs} jobs");

    let ([of_none, of_waiting], [of_working]) = (&costs, &delivering);
    let what = "POST with one endpoint whose jobs wait, against none";
    report.at_least(what, of_waiting.rate_through(of_none), 0.85, "×");
    report.told("POST while a worker delivers, p99", of_working.p99_ms(), "ms");
    report.told("deliveries", crate::figures::median(deliveries), "/s");
    report.at_most("resident memory of an idle worker", idle_mb, 30.0, "MB");
    report.at_most("the same after deliveries", working.most_memory_mb()?, 64.0, "MB");
    for one in costs.iter().chain(&delivering) {
        report.all_accepted(&one.name, one);
    }
    report.add(costs);
    report.add(delivering);
    Ok(())
}
