//! The simulator against the tables of docs/SCALE.md.

use scale_simulator::commits::{Load, Standby, run};
use scale_simulator::measured::{COMMITS, FAR_US, MACHINE, NEAR_US, OUTAGES, QUIET, QUIET_RATES};
use scale_simulator::report::report;

/// Of the measured figure.
const NEAR: f64 = 0.2;

#[test]
fn rates_and_latencies_of_commits_are_those_measured_within_a_fifth() {
    for measured in COMMITS {
        let seen = run(MACHINE, measured.standby, measured.load, 10.0);

        for (what, simulated, measured_value) in [
            ("p50", seen.p50_ms, measured.p50_ms),
            ("rate", seen.rate, measured.rate),
        ] {
            let off = simulated / measured_value - 1.0;
            assert!(
                off.abs() <= NEAR,
                "{what} {simulated:.2}, off by {off:.3}: {measured:?}"
            );
        }
    }
}

#[test]
fn rates_without_a_standby_are_those_of_a_quiet_machine_within_a_fifth() {
    for (clients, measured) in QUIET_RATES {
        let load = Load {
            processes: 1,
            clients,
            links: 1,
        };
        let off = run(QUIET, Standby::None, load, 2.0).rate / measured - 1.0;
        assert!(off.abs() <= NEAR, "{clients} clients: off by {off:.3}");
    }
}

#[test]
fn outages_lie_where_the_simulator_draws_them() {
    for measured in OUTAGES {
        let [[least, _, most], [orders_least, _, orders_most]] =
            measured.cluster.outages(measured.fault, 10_000);

        assert!(
            (least..=most).contains(&measured.promoted_s),
            "{least} to {most}: {measured:?}"
        );
        if let Some(orders_s) = measured.orders_s {
            assert!((orders_least..=orders_most).contains(&orders_s), "{measured:?}");
        }
        // Not so wide that anything would lie within.
        let fault = most - least;
        assert!(
            fault <= measured.cluster.loop_wait_s + 3.0,
            "{least} to {most}: {measured:?}"
        );
    }
}

/// The same seed gives the same figures, here and on the machine that wrote the page.
#[test]
fn the_page_repeats_what_the_simulator_prints_and_the_figures_that_it_is_held_against() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SCALE.md")).unwrap();

    for table in report().split("\n\n") {
        assert!(
            page.contains(table.trim_end()),
            "docs/SCALE.md has another table than:\n{table}"
        );
    }
    for measured in COMMITS.iter().filter(|measured| measured.load.clients > 1) {
        let p50 = match measured.p50_ms {
            below if below < 100.0 => format!("{below:.1}"),
            whole => format!("{whole:.0}"),
        };
        let rate = format!("{:.0}", measured.rate);
        let rate = match rate.len() {
            ..=3 => rate,
            digits => format!("{},{}", &rate[..digits - 3], &rate[digits - 3..]),
        };
        assert!(page.contains(&format!("{rate}/s, {p50} ms")), "{measured:?}");
    }
}

#[test]
fn eight_connections_are_enough_for_a_commit_latency_of_4_and_of_64_ms() {
    for one_way_us in [NEAR_US, FAR_US] {
        let of = |clients, links| {
            let load = Load {
                processes: 1,
                clients,
                links,
            };
            run(QUIET, Standby::At { one_way_us }, load, 10.0)
        };
        let (alone_ms, one, eight) = (of(1, 1).p50_ms, of(64, 1), of(64, 8));

        assert!(one.p50_ms > 2.9 * alone_ms, "{one:?}");
        assert!(eight.p50_ms <= 1.5 * alone_ms, "{eight:?}");
        assert!(eight.rate >= 0.6 * 64.0 * 1e3 / alone_ms, "{eight:?}");
    }
}
