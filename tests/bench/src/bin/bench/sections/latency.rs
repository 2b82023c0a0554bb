//! Orders while each commit waits for a synchronous standby at some distance.

use std::time::{Duration, Instant};

use anyhow::ensure;
use test_support::OwnCluster;

use super::ORDER_FOOD;
use crate::delay::Delay;
use crate::figures::{Series, Subject, alternate};
use crate::load::ORDERS;
use crate::report::Report;
use crate::server::Server;
use crate::setup::{Database, Keeps, Setup};
use crate::sql::Sql;

const CONNECTIONS: u64 = 64;
/// How the standby is reached: by name, and how long it takes in one direction; `None`: no commit
/// waits for it.
const DISTANCES: [(&str, Option<Duration>); 3] = [
    ("no standby waited for", None),
    ("1 ms to the standby", Some(Duration::from_millis(1))),
    ("30 ms to the standby", Some(Duration::from_millis(30))),
];

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let folder = &setup.arguments.folder;
    let mut primary = OwnCluster::start_in(folder, "max_connections = 300\n");
    setup.fill(&primary.url())?;
    let delay = Delay::start(primary.port())?;
    let _standby = primary.standby_in(folder, delay.port);
    let database = Database {
        name: "latency".to_owned(),
        sql: Sql::connect(&primary.url())?,
        url: primary.url(),
    };
    let real = setup.order_food(&database)?;
    let before = setup.before(&database)?;
    for (distance, wait) in DISTANCES {
        delay.set(wait.unwrap_or_default());
        wait_for_standby(&database.sql, wait.is_some())?;
        let load = |server: &Server, connections| {
            setup.orders((server, &database, Keeps::Everything), connections, ORDERS)
        };
        let name = |of: &str, connections: u64| format!("{of}, {distance}, {connections} connections");
        let names = [name(ORDER_FOOD, 1), name(ORDER_FOOD, CONNECTIONS)];
        let [one, many] = &names;
        let rounds = setup.arguments.rounds;
        let now = [
            Subject::new(one, || load(&real, 1)),
            Subject::new(many, || load(&real, CONNECTIONS)),
        ];
        let mut of_before = None;
        let [alone, together] = match &before {
            None => alternate("latency", rounds, now)?,
            Some(before) => {
                let name = name("order-food of before", CONNECTIONS);
                let [alone, together] = now;
                let turn = Subject::new(&name, || load(before, CONNECTIONS));
                let [alone, together, before] = alternate("latency", rounds, [alone, together, turn])?;
                of_before = Some(before);
                [alone, together]
            }
        };
        judge(report, (distance, wait), (&alone, &together), of_before.as_ref());
        report.all_accepted(distance, &together);
        report.add([alone, together]);
        report.add(of_before);
    }
    Ok(())
}

/// One connection waits for one commit: its p50 is the latency.
fn judge(
    report: &mut Report,
    (distance, wait): (&str, Option<Duration>),
    (alone, together): (&Series, &Series),
    before: Option<&Series>,
) {
    let latency = alone.p50_ms();
    let ideal = CONNECTIONS as f64 * 1e3 / latency;
    report.told(&format!("{distance}, p50 of one connection (L)"), latency, "ms");
    if let Some(before) = before {
        report.told(
            &format!("{distance}, p50 of before through L"),
            before.p50_ms() / latency,
            "×",
        );
        report.told(
            &format!("{distance}, orders/s of before through 64/L"),
            before.rate() / ideal,
            "×",
        );
    }
    let (p50, rate) = (together.p50_ms() / latency, together.rate() / ideal);
    match (wait, before) {
        (Some(_), _) => {
            report.at_most(&format!("{distance}, p50 through L"), p50, 1.5, "×");
            report.at_least(&format!("{distance}, orders/s through 64/L"), rate, 0.6, "×");
        }
        (None, Some(before)) => {
            let what = format!("{distance}, orders/s through those of before");
            report.at_least(&what, together.rate_through(before), 0.98, "×");
        }
        (None, None) => {}
    }
}

/// Makes commits wait for the standby, or not, once it streams.
fn wait_for_standby(sql: &Sql, wait: bool) -> anyhow::Result<()> {
    let names = if wait { "*" } else { "" };
    sql.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"))?;
    sql.run("SELECT pg_reload_conf()")?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let state = if wait { "sync" } else { "async" };
    let query = format!("SELECT count(*) FROM pg_stat_replication WHERE sync_state = '{state}'");
    while sql.number(&query)? != 1 {
        ensure!(Instant::now() < deadline, "the standby does not stream");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
