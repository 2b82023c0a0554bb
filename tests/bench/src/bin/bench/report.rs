//! The figures, the targets and what was stored, as JSON.

use serde::Serialize;

use crate::figures::Series;
use crate::machine::Machine;
use crate::setup::Setup;
use crate::sql::Stored;

#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    pub(crate) figures: Vec<Series>,
    pub(crate) targets: Vec<Target>,
    pub(crate) checks: Vec<Check>,
    /// Bytes of spans that the servers sent.
    pub(crate) span_bytes: u64,
}

#[derive(Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) wanted: String,
    pub(crate) met: bool,
}

/// A comparison of answers with rows.
#[derive(Clone, Serialize)]
pub(crate) struct Check {
    /// The database.
    pub(crate) what: String,
    /// Answers with 2xx.
    pub(crate) answered: i64,
    /// Rows that came.
    pub(crate) stored: Stored,
    /// Most orders whose answer was not read.
    pub(crate) unread: i64,
    pub(crate) holds: bool,
}

/// What the comparisons came to.
pub(crate) struct Agreement {
    pub(crate) made: usize,
    pub(crate) holding: usize,
    pub(crate) answered: i64,
    pub(crate) orders: i64,
}

impl Report {
    pub(crate) fn new(setup: &Setup) -> anyhow::Result<Report> {
        Ok(Report {
            machine: Machine::of(setup.cluster.home(), &setup.admin)?,
            seconds: setup.arguments.seconds,
            rounds: setup.arguments.rounds,
            figures: Vec::new(),
            targets: Vec::new(),
            checks: Vec::new(),
            span_bytes: 0,
        })
    }

    /// Adds what a section measured.
    pub(crate) fn add(&mut self, series: impl IntoIterator<Item = Series>) {
        self.figures.extend(series);
    }

    /// A figure that shall be `least` or more; `unit` follows the numbers.
    pub(crate) fn at_least(&mut self, what: &str, measured: f64, least: f64, unit: &str) {
        self.target(what, measured, ("≥", least), unit, measured >= least);
    }

    /// A figure that shall be `most` or less; `unit` follows the numbers.
    pub(crate) fn at_most(&mut self, what: &str, measured: f64, most: f64, unit: &str) {
        self.target(what, measured, ("≤", most), unit, measured <= most);
    }

    /// A figure that is told, without a target.
    pub(crate) fn told(&mut self, what: &str, measured: f64, unit: &str) {
        self.targets.push(Target {
            what: what.to_owned(),
            measured: format!("{measured:.2} {unit}"),
            wanted: "told".to_owned(),
            met: true,
        });
    }

    fn target(&mut self, what: &str, measured: f64, (sign, bound): (&str, f64), unit: &str, met: bool) {
        self.targets.push(Target {
            what: what.to_owned(),
            measured: format!("{measured:.2} {unit}"),
            wanted: format!("{sign} {bound} {unit}"),
            met,
        });
    }

    /// No server may have refused or dropped what it should have answered with 2xx.
    pub(crate) fn all_accepted(&mut self, what: &str, series: &Series) {
        let failures = series.failures();
        if failures > 0 {
            self.target(
                what,
                failures as f64,
                ("≤", 0.0),
                "requests refused or broken",
                false,
            );
        }
    }

    pub(crate) fn finish(&mut self, setup: &Setup) {
        self.checks = setup.checks();
        self.span_bytes = setup.span_bytes();
    }

    pub(crate) fn agreement(&self) -> Agreement {
        Agreement {
            made: self.checks.len(),
            holding: self.checks.iter().filter(|check| check.holds).count(),
            answered: self.checks.iter().map(|check| check.answered).sum(),
            orders: self.checks.iter().map(|check| check.stored.orders).sum(),
        }
    }

    /// Whether every answer agreed with what was stored.
    pub(crate) fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }
}
