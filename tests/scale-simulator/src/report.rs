//! What the simulator says: its figures against those measured, then its answers, a table each.

use crate::commits::{Load, Machine, Standby, run};
use crate::failover::{Cluster, Fault};
use crate::measured::{COMMITS, MACHINE, OUTAGES, QUIET};
use crate::promotions::{self, Campaign};

/// All tables.
pub fn report() -> String {
    [
        latencies(),
        links(64),
        links(256),
        capacity(),
        cells(),
        failovers(),
        escrow(),
    ]
    .join("\n")
}

fn latencies() -> String {
    let mut text = "Commit latency: simulated and measured\n".to_owned();
    text += "one way    load       orders/s          p50 ms\n";
    for measured in COMMITS {
        let seen = run(MACHINE, measured.standby, measured.load, 10.0);
        let way = match measured.standby {
            Standby::None => "no standby".to_owned(),
            Standby::At { one_way_us } => format!("{:.2} ms", one_way_us / 1e3),
        };
        let load = format!("{} x {}", measured.load.processes, measured.load.clients);
        let (rate, p50) = (seen.rate, seen.p50_ms);
        text += &format!(
            "{way:<10} {load:<8} {rate:>6.0} {:>8.0}  {p50:>7.2} {:>7.2}\n",
            measured.rate, measured.p50_ms
        );
    }
    text
}

/// L is the latency that one client sees, N the number of clients.
fn links(clients: usize) -> String {
    let mut text = format!("Connections of a writer, {clients} clients: p50 in L, rate in N/L\n");
    text += "  L ms           1            2            4            8           16\n";
    for one_way_us in [0.0, 300.0, 1_000.0, 1_544.0, 5_000.0, 31_344.0] {
        let standby = Standby::At { one_way_us };
        let seen = |clients, links| {
            let load = Load {
                processes: 1,
                clients,
                links,
            };
            run(QUIET, standby, load, 5.0)
        };
        let alone_ms = seen(1, 1).p50_ms;
        text += &format!("{alone_ms:>6.2}");
        for links in [1, 2, 4, 8, 16] {
            let seen = seen(clients, links);
            let part = seen.rate * alone_ms / (clients as f64 * 1e3);
            text += &format!("  {:>5.2} {part:>5.2}", seen.p50_ms / alone_ms);
        }
        text += "\n";
    }
    text
}

fn capacity() -> String {
    let machine = Machine { cores: 8.0, ..QUIET };
    let mut text = "One cell: 8 processors, standby 0.5 ms away, 4 writers of 8 connections\n".to_owned();
    text += "clients  orders/s  p50 ms  p99 ms\n";
    for clients in [16, 64, 256, 1_024] {
        let load = Load {
            processes: 4,
            clients: clients / 4,
            links: 8,
        };
        let seen = run(machine, Standby::At { one_way_us: 500.0 }, load, 2.0);
        text += &format!(
            "{clients:>7}  {:>8.0}  {:>6.2}  {:>6.2}\n",
            seen.rate, seen.p50_ms, seen.p99_ms
        );
    }
    text
}

fn cells() -> String {
    let cluster = Cluster {
        ttl_s: 20.0,
        loop_wait_s: 1.0,
        wal_retry_s: 0.5,
    };
    let outage_s = cluster.outages(Fault::Killed, 10_000)[1][1];
    let mut text = format!(
        "Cells of at most 10,000 orders/s; a failover takes {outage_s:.1} s, each cell has two a year\n"
    );
    text += "orders/s  cells  down at once  failovers a year  orders delayed by one\n";
    for rate in [1_000_u32, 10_000, 50_000, 100_000, 500_000] {
        let cells = rate.div_ceil(10_000);
        let (part, delayed) = (100.0 / f64::from(cells), f64::from(rate / cells) * outage_s);
        text += &format!(
            "{rate:>8}  {cells:>5}  {part:>10.0} %  {:>16}  {delayed:>21.0}\n",
            2 * cells
        );
    }
    text
}

fn failovers() -> String {
    let mut text =
        "Failovers: seconds after the fault, least, median and greatest of 10,000; measured\n".to_owned();
    text += "ttl loop retry fault       promoted                       orders again\n";
    let planned = |ttl_s, fault| {
        let cluster = Cluster {
            ttl_s,
            loop_wait_s: 2.0,
            wal_retry_s: 0.5,
        };
        (cluster, fault, None, None)
    };
    let measured = OUTAGES
        .iter()
        .map(|row| (row.cluster, row.fault, Some(row.promoted_s), row.orders_s));
    let more = [
        planned(20.0, Fault::Killed),
        planned(20.0, Fault::Frozen),
        planned(30.0, Fault::Killed),
        planned(30.0, Fault::Frozen),
    ];
    for (cluster, fault, promoted_s, orders_s) in measured.chain(more) {
        let Cluster {
            ttl_s,
            loop_wait_s,
            wal_retry_s,
        } = cluster;
        let fault_name = format!("{fault:?}");
        text += &format!("{ttl_s:>3} {loop_wait_s:>4} {wal_retry_s:>5} {fault_name:<6}");
        for (drawn, seconds) in cluster
            .outages(fault, 10_000)
            .into_iter()
            .zip([promoted_s, orders_s])
        {
            let [least, median, greatest] = drawn;
            let seconds = seconds.map_or("-".to_owned(), |seconds| seconds.to_string());
            text += &format!("  {least:>6.1} {median:>6.1} {greatest:>6.1} {seconds:>6}");
        }
        text += "\n";
    }
    text
}

fn escrow() -> String {
    let mut text = "A promotion of 100,000 uses, 150,000 orders ask for it within 150 s\n".to_owned();
    text += "round s  issued  above the limit  refused although others had some  messages\n";
    for round_s in [None, Some(60.0), Some(10.0), Some(1.0)] {
        let campaign = Campaign {
            cells: 8,
            limit: 100_000,
            demand: 1_000.0,
            round_s,
            lossy: 0.1,
            partition_s: 20.0,
        };
        let result = promotions::run(campaign, 1);
        let round = round_s.map_or("never".to_owned(), |seconds| seconds.to_string());
        let above = result.issued.saturating_sub(campaign.limit);
        text += &format!(
            "{round:>7}  {:>6}  {above:>15}  {:>32}  {:>8}\n",
            result.issued, result.refused, result.messages
        );
    }
    text
}
