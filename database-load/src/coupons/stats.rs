//! The statistics of a scan, as a table and as JSON.

use std::fs;
use std::io::{self, Write};

use coupon_scan::{FileReport, Report};
use indicatif::{BinaryBytes, HumanCount};
use serde_json::{Value, json};

/// Writes to standard error; nothing is left to do if it is closed.
pub(super) fn print(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A table with a line for each figure.
pub(super) fn table(report: &Report) -> String {
    let (counts, stats) = (&report.counts, &report.stats);
    let count = |count: u64| HumanCount(count).to_string();
    let if_counted = |number: Option<u64>| number.map_or_else(|| "not counted".into(), count);
    let rows = [
        ("lines", count(counts.lines)),
        ("codes in range", count(counts.in_range)),
        ("distinct", if_counted(counts.distinct)),
        ("repeats inside files", if_counted(counts.repeats)),
        ("lines not UTF-8", count(counts.not_utf8)),
        ("valid", count(counts.valid)),
        ("seconds", format!("{:.2}", stats.elapsed.as_secs_f64())),
        ("MB/s of text", format!("{:.0}", mb_per_s(report))),
        (
            "peak memory",
            peak_memory().map_or_else(|| "unknown".into(), |peak| BinaryBytes(peak).to_string()),
        ),
        ("spilled to disk", BinaryBytes(stats.spilled_bytes).to_string()),
        ("files read again", count(stats.second_reads)),
    ];
    rows.iter()
        .map(|(name, value)| format!("{name:<22}{value:>16}\n"))
        .collect()
}

/// One line of JSON with all figures and, if asked for, the codes: those one at a time, for they
/// may be many.
pub(super) fn write_json(report: &Report, with_codes: bool, out: &mut impl Write) -> io::Result<()> {
    let figures = json(report);
    let Some(open) = figures.strip_suffix("}\n").filter(|_| with_codes) else {
        return out.write_all(figures.as_bytes());
    };
    write!(out, "{open},\"codes\":[")?;
    for (number, code) in report.codes.iter().enumerate() {
        if number > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, code.as_str())?;
    }
    out.write_all(b"]}\n")
}

/// One line of JSON with all figures.
pub(super) fn json(report: &Report) -> String {
    let (counts, stats) = (&report.counts, &report.stats);
    let figures = json!({
        "lines": counts.lines,
        "in_range": counts.in_range,
        "distinct": counts.distinct,
        "repeats": counts.repeats,
        "not_utf8": counts.not_utf8,
        "valid": counts.valid,
        "file_bytes": counts.file_bytes,
        "text_bytes": counts.text_bytes,
        "seconds": stats.elapsed.as_secs_f64(),
        "mb_per_s": mb_per_s(report),
        "memory_bytes": stats.memory,
        "peak_memory_bytes": peak_memory(),
        "spilled_bytes": stats.spilled_bytes,
        "second_reads": stats.second_reads,
        "files": report.files.iter().map(file).collect::<Value>(),
    });
    format!("{figures}\n")
}

fn file(file: &FileReport) -> Value {
    json!({
        "name": file.name,
        "lines": file.lines,
        "in_range": file.in_range,
        "not_utf8": file.not_utf8,
        "file_bytes": file.file_bytes,
        "text_bytes": file.text_bytes,
    })
}

/// Megabytes of text, after decompression, in each second.
fn mb_per_s(report: &Report) -> f64 {
    let seconds = report.stats.elapsed.as_secs_f64();
    if seconds > 0.0 {
        report.counts.text_bytes as f64 / 1e6 / seconds
    } else {
        0.0
    }
}

/// Most memory that this process has had resident, bytes, as the kernel counts it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
