//! The figures, the targets and what was stored, as text and JSON.

use std::fmt;

use serde::Serialize;

use crate::figures::Series;
use crate::machine::Machine;
use crate::setup::Setup;
use crate::sql::Stored;

/// Percent of the processors that the kernel's threads and an idle system may take beside what is
/// measured.
const DISTURBED: f64 = 10.0;

#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    pub(crate) figures: Vec<Series>,
    pub(crate) targets: Vec<Target>,
    checks: Vec<Check>,
    /// Bytes of spans that the servers sent.
    span_bytes: u64,
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

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            out,
            "{} × {}, {}",
            machine.processors, machine.processor, machine.kernel
        )?;
        writeln!(
            out,
            "PostgreSQL {} on {}: {}",
            machine.postgresql, machine.file_system, machine.durability
        )?;
        writeln!(
            out,
            "{}; {} rounds of {} s; {} bytes of spans\n",
            machine.load_generator, self.rounds, self.seconds, self.span_bytes
        )?;
        writeln!(
            out,
            "{:<10} {:<52} {:>8} {:>7} {:>7} {:>7}   processor µs per answer: server, PostgreSQL, load",
            "", "medians", "per s", "p50 ms", "p99 ms", "max ms"
        )?;
        for series in &self.figures {
            line(out, series)?;
        }
        writeln!(out)?;
        for target in &self.targets {
            let met = if target.met { "pass" } else { "MISS" };
            writeln!(
                out,
                "{met}  {:<76} {:>22}   {}",
                target.what, target.measured, target.wanted
            )?;
        }
        for series in &self.figures {
            let share = series.disturbance(machine.processors, self.seconds);
            if share > DISTURBED {
                writeln!(
                    out,
                    "warning: others took {share:.0} % of the processors during a run of {}, {}: measure again when the machine is quiet",
                    series.section, series.name
                )?;
            }
        }
        let checks = self.agreement();
        writeln!(
            out,
            "\nRows against answers: {} of {} comparisons hold ({} answers, {} orders stored)",
            checks.holding, checks.made, checks.answered, checks.orders
        )?;
        for check in self.checks.iter().filter(|check| !check.holds) {
            writeln!(
                out,
                "  {}: {} answers (and at most {} unread), but {:?}",
                check.what, check.answered, check.unread, check.stored
            )?;
        }
        Ok(())
    }
}

fn line(out: &mut fmt::Formatter<'_>, series: &Series) -> fmt::Result {
    let processor = series.processor_micros();
    writeln!(
        out,
        "{:<10} {:<52} {:>8.0} {:>7.2} {:>7.2} {:>7.1}   {:>6.1} {:>6.1} {:>6.1}",
        series.section,
        series.name,
        series.rate(),
        series.p50_ms(),
        series.p99_ms(),
        series.median(|run| run.max_ms),
        processor.server,
        processor.database,
        processor.load,
    )
}
