//! Sales by day, product, category or promotion: a chart, and the same as a table.

use actix_web::HttpResponse;
use chrono::NaiveDate;
use shop::Money;

use super::cell::{Cell, utc};
use super::chart::Chart;
use super::days::days;
use super::exports;
use super::view::{Field, Form, Section, Table};
use super::visit::{Refusal, Visit};
use crate::reports::{Days, Dimension, SalesRow, newest_day, sales};

/// GET /sales.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    // Sales that ended long ago, such as those of sample data, rather than an empty month.
    let newest = match visit.field("from").or(visit.field("to")) {
        Some(_) => None,
        None => visit.read(newest_day).await?,
    };
    let days = days(&visit, newest)?;
    let by = visit.field("by").and_then(Dimension::parse).unwrap_or_default();
    let zone = visit.console.state.report_time_zone.clone();
    let found = visit
        .read(async |connection| sales(connection, days, by, &zone).await)
        .await?;
    let names = Dimension::ALL.map(Dimension::name);
    let day = |name, label, day: NaiveDate| Field {
        kind: "date",
        ..Field::text(name, label, &day.to_string())
    };
    let filter = Form::filter(
        "",
        "/sales",
        vec![
            day("from", "From", days.from()),
            day("to", "To", days.to()),
            Field::choice("by", "By", by.name(), &names),
        ],
    );
    let counted = found.as_of.map_or_else(
        || "not counted yet: a worker counts them within minutes".to_owned(),
        |at| format!("counted up to {}", utc(&at)),
    );
    let chart = Chart {
        title: format!(
            "Total by {}, {} to {}, {counted}",
            by.name(),
            days.from(),
            days.to()
        ),
        bars: bars(&found.rows, days, by),
    };
    let row = |row: &SalesRow| {
        let sums = &row.sums;
        [
            Cell::text(&row.key),
            Cell::number(sums.orders),
            Cell::number(sums.units),
            Cell::number(sums.gross.0),
            Cell::number(sums.discounts.0),
            Cell::number(sums.total.0),
            Cell::number(sums.cancelled_orders),
        ]
    };
    let table = Table::new(
        &format!("Sales by {}", by.name()),
        &[
            "Key",
            "Orders",
            "Units",
            "Gross",
            "Discounts",
            "Total",
            "Orders cancelled",
        ],
        found.rows.iter().map(row),
        match found.as_of {
            None => "Sales are not counted yet: a worker (order-food worker) counts them within minutes.",
            Some(_) => "Nothing was sold in these days.",
        },
    );
    let mut sections = vec![Section::Form(filter)];
    if !found.rows.is_empty() {
        sections.push(Section::Chart(chart));
    }
    sections.push(Section::Table(table));
    sections.extend(exports::sections(&visit, days).await?);
    Ok(visit.page("Sales", sections))
}

/// A bar for each row; over days, one for each day, also for those on which nothing was sold.
fn bars(rows: &[SalesRow], days: Days, by: Dimension) -> Vec<(String, f64, String)> {
    let bar = |row: &SalesRow| {
        let total = row.sums.total.0;
        (row.key.clone(), total.cents() as f64, total.to_string())
    };
    if by != Dimension::Day {
        return rows.iter().map(bar).collect();
    }
    let shown = days.from().iter_days().take_while(|day| *day <= days.to());
    shown
        .map(|day| day.to_string())
        .map(|day| match rows.iter().find(|row| row.key == day) {
            Some(row) => bar(row),
            None => (day, 0.0, Money::ZERO.to_string()),
        })
        .collect()
}
