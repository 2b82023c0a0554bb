//! Failovers of a Patroni cluster with a synchronous standby, drawn at random: from the fault to
//! the promotion, and to the next order.

use crate::Random;

/// The settings that decide.
#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    /// Seconds that the leader key lives without being renewed.
    pub ttl_s: f64,
    /// Seconds between two renewals.
    pub loop_wait_s: f64,
    /// `wal_retrieve_retry_interval` in seconds.
    pub wal_retry_s: f64,
}

/// The fault of the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Killed: connections to it are refused.
    Killed,
    /// It takes connections and says nothing.
    Frozen,
}

/// Seconds since the fault.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// Until the standby takes writes.
    pub promoted_s: f64,
    /// Until an order is stored with a synchronous standby.
    pub orders_s: f64,
}

impl Cluster {
    /// One failover.
    pub fn fail(&self, fault: Fault, random: &mut Random) -> Outage {
        // The key was renewed at some time within the last loop; etcd looks for dead leases twice a
        // second, and the promotion takes a third of one.
        let expired = self.ttl_s - random.between(0.0, self.loop_wait_s) + random.between(0.0, 0.5);
        // Before the race each standby asks the other members; a frozen one is waited for, twice at
        // most.
        let asked = match fault {
            Fault::Killed => 0.0,
            Fault::Frozen => random.between(2.0, 4.0),
        };
        let promoted_s = expired + asked + random.between(0.2, 0.4);
        // The other standby is told, and connects at its next try; clients try 150 ms apart.
        let standby = random.between(0.0, 2.0) + random.between(0.0, self.wal_retry_s);
        Outage {
            promoted_s,
            orders_s: promoted_s + standby + random.between(0.0, 0.15),
        }
    }

    /// Least, median and greatest of `count` failovers: promotion, then orders.
    pub fn outages(&self, fault: Fault, count: usize) -> [[f64; 3]; 2] {
        let mut random = Random(7);
        let drawn: Vec<Outage> = (0..count).map(|_| self.fail(fault, &mut random)).collect();
        [
            spread(drawn.iter().map(|outage| outage.promoted_s)),
            spread(drawn.iter().map(|outage| outage.orders_s)),
        ]
    }
}

fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
