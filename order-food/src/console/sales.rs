//! Sales by day, product, category or promotion: a chart, and the same as a table.

use actix_web::HttpResponse;
use chrono::{Days as Later, NaiveDate};
use job_queue::{NewJob, enqueue};
use serde_json::json;
use uuid::Uuid;

use super::chart::Chart;
use super::right::Right;
use super::view::{Cell, Field, Form, Row, Section, Table, utc};
use super::visit::{Refusal, Visit};
use crate::jobs::reporting_export::ReportingExport;
use crate::reports::export::ExportRequest;
use crate::reports::{Days, Dimension, MAX_DAYS, sales};

/// Days that are shown when none were asked for.
const DAYS: u64 = 30;

fn days(visit: &Visit) -> Result<Days, Refusal> {
    let now = visit.snapshot.as_ref().map(|snapshot| snapshot.now());
    let today = now.unwrap_or_default().date_naive();
    let day = |name: &str, default: NaiveDate| match visit.field(name) {
        Some(text) => text
            .parse()
            .map_err(|_| Refusal::Invalid(format!("{name}: write the day as YYYY-MM-DD."))),
        None => Ok(default),
    };
    let first = today.checked_sub_days(Later::new(DAYS - 1)).unwrap_or(today);
    let days = Days::new(day("from", first)?, day("to", today)?)
        .map_err(|error| Refusal::Invalid(error.to_string()))?;
    match days.count() > MAX_DAYS {
        true => Err(Refusal::Invalid(format!(
            "At most {MAX_DAYS} days are shown at once."
        ))),
        false => Ok(days),
    }
}

/// GET /sales.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let days = days(&visit)?;
    let by = visit.field("by").and_then(Dimension::parse).unwrap_or_default();
    let zone = visit.console.state.report_time_zone.clone();
    let found = visit
        .read(async |connection| sales(connection, days, by, &zone).await)
        .await?;
    let names = Dimension::ALL.map(Dimension::name);
    let filter = Form {
        path: "/sales".into(),
        get: true,
        fields: vec![
            Field {
                kind: "date",
                ..Field::text("from", "From", &days.from().to_string())
            },
            Field {
                kind: "date",
                ..Field::text("to", "To", &days.to().to_string())
            },
            Field::choice("by", "By", by.name(), &names),
        ],
        submit: "Show".into(),
        ..Form::default()
    };
    let counted = found.as_of.map_or_else(
        || "not counted yet: a worker counts them within minutes".to_owned(),
        |at| format!("counted up to {}", utc(&at)),
    );
    let value = |row: &crate::reports::SalesRow| row.total.0.cents() as f64;
    let chart = Chart {
        title: format!(
            "Total by {}, {} to {}, {counted}",
            by.name(),
            days.from(),
            days.to()
        ),
        bars: found
            .rows
            .iter()
            .map(|row| (row.key.clone(), value(row), row.total.0.to_string()))
            .collect(),
    };
    let row = |row: &crate::reports::SalesRow| Row {
        cells: vec![
            Cell::Text(row.key.clone()),
            Cell::number(row.orders),
            Cell::number(row.units),
            Cell::number(row.gross.0),
            Cell::number(row.discounts.0),
            Cell::number(row.total.0),
        ],
        ..Row::default()
    };
    let table = Table {
        caption: format!("Sales by {}", by.name()),
        head: vec!["Key", "Orders", "Units", "Gross", "Discounts", "Total"],
        rows: found.rows.iter().map(row).collect(),
        empty: "Nothing was sold in these days.",
        ..Table::default()
    };
    let mut sections = vec![
        Section::Form(filter),
        Section::Chart(chart),
        Section::Table(table),
    ];
    if visit.may(Right::Operate) && visit.console.state.exports.is_some() {
        sections.push(Section::Form(Form {
            heading: "Export".into(),
            path: "/sales/export".into(),
            fields: vec![
                Field::hidden("from", &days.from().to_string()),
                Field::hidden("to", &days.to().to_string()),
                Field::choice("data", "What", "orders", &["orders", "sales"]),
                Field::choice("format", "Format", "csv", &["csv", "jsonl"]),
            ],
            submit: "Export in the background".into(),
            ..Form::default()
        }));
    }
    Ok(visit.page("Sales", sections))
}

/// POST /sales/export.
pub(super) async fn export(visit: Visit) -> Result<HttpResponse, Refusal> {
    let days = days(&visit)?;
    let value = |name: &str, default: &str| visit.field(name).unwrap_or(default).to_owned();
    let request = json!({
        "data": value("data", "orders"), "format": value("format", "csv"),
        "from": days.from().to_string(), "to": days.to().to_string(),
    });
    let request = ExportRequest::parse(request.to_string().as_bytes())
        .map_err(|error| Refusal::Invalid(error.to_string()))?;
    if visit.console.state.exports.is_none() {
        return Err(Refusal::Invalid(
            "Exports are not configured (REPORT_LOCATION).".into(),
        ));
    }
    let id = Uuid::now_v7();
    let mut job =
        NewJob::of::<ReportingExport>(&request).map_err(|error| Refusal::Invalid(error.to_string()))?;
    if let Some(session) = &visit.session {
        job = job.owner(session.key);
    }
    let job = job.public(id);
    visit
        .act("reports.export", &format!("job {id}"), async |connection| {
            let ids = enqueue(connection, &[job]).await?;
            Ok((None, ids.first().map(|id| json!({ "job": id }))))
        })
        .await?;
    visit.console.state.queue.wake();
    Ok(visit.back("/sales", "exported"))
}
