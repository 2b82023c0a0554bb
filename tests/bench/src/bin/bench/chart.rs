//! The figures as an SVG picture: a bar for each server and load, grouped by measurement.

use std::fmt::{self, Write};

use crate::figures::Series;
use crate::report::Report;

const WIDTH: f64 = 960.0;
const LABELS: f64 = 360.0;
const BARS: f64 = 420.0;
const ROW: f64 = 24.0;
const HEADING: f64 = 36.0;
const TOP: f64 = 78.0;
const FOOT: f64 = 34.0;

/// order-food, what it is measured against, and what it replaces.
const OURS: &str = "#2563a8";
const LIMIT: &str = "#a9b1ba";
const PLAIN: &str = "#d08a3c";

/// The picture. Bars are medians of answers a second, to one scale; beside each its p99.
pub(crate) fn svg(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = draw(&mut text, report);
    text
}

fn draw(out: &mut String, report: &Report) -> fmt::Result {
    let groups: Vec<&[Series]> = report
        .figures
        .chunk_by(|one, other| one.section == other.section)
        .collect();
    let height = TOP + FOOT + HEADING * groups.len() as f64 + ROW * report.figures.len() as f64;
    let most = report.figures.iter().map(Series::rate).fold(1.0, f64::max);
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" font-size="13" fill="#1f2933">
<rect width="100%" height="100%" fill="white"/>
<text x="20" y="28" font-size="18" font-weight="600">Answers a second, every 200 committed to disk</text>"##,
    )?;
    legend(out)?;
    let mut y = TOP;
    for group in groups {
        let section = group.first().map_or("", |series| series.section);
        writeln!(
            out,
            r#"<text x="20" y="{:.0}" font-weight="600">{}</text>"#,
            y + 22.0,
            escaped(title(section))
        )?;
        y += HEADING - 4.0;
        for series in group {
            bar(out, series, y, BARS * series.rate() / most)?;
            y += ROW;
        }
        y += 4.0;
    }
    let machine = &report.machine;
    let foot = format!(
        "{} processors ({}) shared by load, server and PostgreSQL {}; medians of {} rounds of {} s",
        machine.processors, machine.processor, machine.postgresql, report.rounds, report.seconds
    );
    writeln!(
        out,
        r##"<text x="20" y="{:.0}" font-size="11" fill="#52606d">{}</text>
</svg>"##,
        y + 22.0,
        escaped(&foot)
    )
}

fn legend(out: &mut String) -> fmt::Result {
    let entries = [
        (OURS, "order-food"),
        (LIMIT, "a limit: stores nothing, or serves nothing else"),
        (PLAIN, "one transaction per order"),
    ];
    for ((color, text), x) in entries.into_iter().zip([20, 130, 460]) {
        writeln!(
            out,
            r#"<rect x="{x}" y="44" width="12" height="12" fill="{color}"/><text x="{}" y="55">{text}</text>"#,
            x + 18
        )?;
    }
    Ok(())
}

fn bar(out: &mut String, series: &Series, y: f64, length: f64) -> fmt::Result {
    let color = match series.name.as_str() {
        name if name.starts_with("one transaction") => PLAIN,
        name if name.starts_with("order-food") || name.starts_with("GET") => OURS,
        _ => LIMIT,
    };
    let p99 = match series.p99_ms() {
        0.0 => String::new(),
        p99 if p99 < 10.0 => format!("p99 {p99:.2} ms"),
        p99 => format!("p99 {p99:.0} ms"),
    };
    writeln!(
        out,
        r##"<text x="{:.0}" y="{:.1}" text-anchor="end">{}</text><rect x="{LABELS}" y="{:.1}" width="{:.1}" height="16" fill="{color}"/><text x="{:.1}" y="{:.1}">{} <tspan fill="#52606d" font-size="11">{p99}</tspan></text>"##,
        LABELS - 10.0,
        y + 16.0,
        escaped(&series.name),
        y + 4.0,
        length.max(1.0),
        LABELS + length + 8.0,
        y + 16.0,
        thousands(series.rate()),
    )
}

fn title(section: &str) -> &str {
    match section {
        "post64" => "POST /api/order, 64 connections: two items, a coupon on half",
        "keyed" => "The same with an Idempotency-Key",
        "promotions" => "The same with a limited promotion on each order",
        "post256" => "POST /api/order by connections",
        "single" => "POST /api/order, 1 connection",
        "cold" => "POST /api/order, 64 connections, into a new database",
        "coupons" => "POST /api/order, 1 connection, with codes of the coupon files",
        "reads" => "Products, 64 connections",
        "large" => "With millions of orders stored: POST over 64 connections, GET over 1",
        other => other,
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
