//! What was measured, as data: the tables of docs/SCALE.md on standbys and on failovers.

use crate::commits::{Load, Machine, Standby};
use crate::failover::{Cluster, Fault};

/// The machine of the measurements. An order's cost and the flush are those of docs/PERFORMANCE.md;
/// cores, batch, replication and stalls are fitted to the column of one client and to the rates
/// without a network.
pub const MACHINE: Machine = Machine {
    cores: 1.5,
    serve_us: 19.6,
    store_us: 12.0,
    batch_us: 270.0,
    replicate_us: 470.0,
    flush_us: 120.0,
    stall_us: 60_000.0,
    stalled: 0.12,
};

/// The machine of docs/PERFORMANCE.md, with nothing else on it: a batch takes half as long.
pub const QUIET: Machine = Machine {
    cores: 2.0,
    batch_us: 140.0,
    store_us: 11.5,
    stalled: 0.0,
    ..MACHINE
};

/// Clients and orders per second of the figures of docs/PERFORMANCE.md.
pub const QUIET_RATES: [(usize, f64); 2] = [(64, 50_000.0), (256, 57_300.0)];

/// A figure of the first table.
#[derive(Clone, Copy, Debug)]
pub struct Commits {
    /// How far the standby is.
    pub standby: Standby,
    /// The clients.
    pub load: Load,
    /// Orders per second.
    pub rate: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
}

const fn commits(one_way_us: f64, processes: usize, clients: usize, rate: f64, p50_ms: f64) -> Commits {
    Commits {
        standby: if one_way_us < 0.0 {
            Standby::None
        } else {
            Standby::At { one_way_us }
        },
        load: Load {
            processes,
            clients,
            links: 1,
        },
        rate,
        p50_ms,
    }
}

/// One way to the standby through a proxy that was told to wait 1 ms and 30 ms: half of what one
/// client saw beyond a proxy that does not wait.
pub const NEAR_US: f64 = 1_544.0;
/// As [`NEAR_US`].
pub const FAR_US: f64 = 31_344.0;
const NO_STANDBY: f64 = -1.0;

/// The table "Behind a synchronous standby".
pub const COMMITS: [Commits; 15] = [
    commits(NO_STANDBY, 1, 1, 1e3 / 0.43, 0.43),
    commits(0.0, 1, 1, 1e3 / 1.05, 1.05),
    commits(NEAR_US, 1, 1, 1e3 / 4.1, 4.1),
    commits(FAR_US, 1, 1, 1e3 / 63.7, 63.7),
    commits(NO_STANDBY, 1, 64, 27_478.0, 2.1),
    commits(NO_STANDBY, 4, 16, 17_134.0, 3.0),
    commits(0.0, 1, 64, 16_600.0, 3.5),
    commits(NEAR_US, 1, 64, 4_579.0, 13.5),
    commits(NEAR_US, 4, 16, 5_559.0, 11.1),
    commits(NEAR_US, 8, 8, 4_610.0, 13.2),
    commits(NEAR_US, 1, 256, 14_091.0, 17.2),
    commits(FAR_US, 1, 64, 265.0, 196.0),
    commits(FAR_US, 4, 16, 415.0, 130.0),
    commits(FAR_US, 8, 8, 489.0, 129.0),
    commits(FAR_US, 1, 256, 1_300.0, 195.0),
];

/// A row of the table "Failover": seconds until a standby was promoted and, where they were counted
/// apart, until orders were stored with a standby again.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// The settings.
    pub cluster: Cluster,
    /// What happened.
    pub fault: Fault,
    /// Seconds until the promotion.
    pub promoted_s: f64,
    /// Seconds until the next order.
    pub orders_s: Option<f64>,
}

const fn outage(ttl_s: f64, loop_wait_s: f64, wal_retry_s: f64, promoted_s: f64, orders_s: f64) -> Outage {
    Outage {
        cluster: Cluster {
            ttl_s,
            loop_wait_s,
            wal_retry_s,
        },
        fault: Fault::Killed,
        promoted_s,
        orders_s: Some(orders_s),
    }
}

/// Failovers after a crash, then one after a freeze.
pub const OUTAGES: [Outage; 6] = [
    outage(30.0, 10.0, 5.0, 25.3, 30.1),
    outage(20.0, 5.0, 5.0, 20.4, 25.4),
    outage(6.0, 1.0, 5.0, 6.8, 11.6),
    outage(6.0, 1.0, 0.5, 6.3, 8.6),
    outage(20.0, 1.0, 0.5, 20.5, 20.7),
    Outage {
        fault: Fault::Frozen,
        orders_s: None,
        ..outage(20.0, 1.0, 0.5, 22.7, 0.0)
    },
];
