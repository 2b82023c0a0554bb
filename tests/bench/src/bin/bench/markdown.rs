//! The report as a page of docs/performance; the terminal shows it, too.

use std::fmt::{self, Write};

use crate::report::Report;

/// Percent of the processors that the kernel's threads and an idle system may take beside what is
/// measured.
const DISTURBED: f64 = 10.0;

pub(crate) fn page(name: &str, report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut text, name, report);
    text
}

fn write(out: &mut String, name: &str, report: &Report) -> fmt::Result {
    let machine = &report.machine;
    writeln!(
        out,
        "<!-- Written by `make bench` or `make bench-large`. What it means: ../PERFORMANCE.md -->\n"
    )?;
    writeln!(out, "![Answers a second]({name}.svg)\n")?;
    writeln!(
        out,
        "{} × {}, {}; PostgreSQL {} on {} ({}); {}. {} rounds of {} s; {} bytes of spans.\n",
        machine.processors,
        machine.processor,
        machine.kernel,
        machine.postgresql,
        machine.file_system,
        machine.durability,
        machine.load_generator,
        report.rounds,
        report.seconds,
        report.span_bytes
    )?;
    writeln!(out, "| what | measured | target | |\n|---|---|---|---|")?;
    for target in &report.targets {
        let met = if target.met { "met" } else { "**missed**" };
        writeln!(
            out,
            "| {} | {} | {} | {met} |",
            target.what, target.measured, target.wanted
        )?;
    }
    writeln!(
        out,
        "\n| load | server | answers/s | p50 ms | p99 ms | max ms | µs of processor per answer: server, PostgreSQL, load |\n|---|---|---|---|---|---|---|"
    )?;
    for series in &report.figures {
        let processor = series.processor_micros();
        writeln!(
            out,
            "| {} | {} | {:.0} | {} | {} | {:.1} | {:.1}, {:.1}, {:.1} |",
            series.section,
            series.name,
            series.rate(),
            latency(series.p50_ms()),
            latency(series.p99_ms()),
            series.median(|run| run.max_ms),
            processor.server,
            processor.database,
            processor.load
        )?;
    }
    for series in &report.figures {
        let share = series.disturbance(machine.processors, report.seconds);
        if share > DISTURBED {
            let (section, name) = (series.section, &series.name);
            writeln!(
                out,
                "\nWarning: others took {share:.0} % of the processors during a run of {section}, {name}: measure again \
                 when the machine is quiet."
            )?;
        }
    }
    let checks = report.agreement();
    writeln!(
        out,
        "\nRows against answers: {} of {} comparisons hold; {} answers, {} orders stored.",
        checks.holding, checks.made, checks.answered, checks.orders
    )?;
    for check in report.checks.iter().filter(|check| !check.holds) {
        writeln!(
            out,
            "\n{}: {} answers (and at most {} unread), but {:?}.",
            check.what, check.answered, check.unread, check.stored
        )?;
    }
    Ok(())
}

/// pgbench with several clients gives none.
fn latency(milliseconds: f64) -> String {
    match milliseconds {
        0.0 => "–".to_owned(),
        milliseconds => format!("{milliseconds:.2}"),
    }
}
