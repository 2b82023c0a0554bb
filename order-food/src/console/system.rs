//! This replica and the whole: build, readiness, pool, commits, refusals, rates of orders, queues.

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use job_queue::browse;
use prometheus::proto::MetricType;
use serde_json::{Value, json};

use super::jobs::priorities_table;
use super::loads;
use super::view::{Cell, Facts, Row, Section, Table};
use super::visit::{Refusal, Visit};

const LIMITED: &str = "
    SELECT jsonb_build_object('code', code, 'uses', uses, 'max_uses', max_uses) AS row
    FROM promotions JOIN promotion_uses USING (code) WHERE max_uses IS NOT NULL ORDER BY uses DESC LIMIT 50";

/// Ids begin with the time; the newest 100,000 of an hour are read, once for all spans.
const ORDERED: &str = "
    WITH spans AS MATERIALIZED (
        SELECT name, extract(epoch FROM span) / 60 AS minutes,
            rpad(lpad(to_hex((1000 * extract(epoch FROM now() - span))::bigint), 12, '0'), 32, '0')::uuid AS first
        FROM (VALUES ('minute', interval '1 min'), ('ten minutes', '10 min'), ('hour', '1 h')) AS spans (name, span)
    ),
    newest AS MATERIALIZED (
        SELECT id FROM orders
        WHERE id >= rpad(lpad(to_hex((1000 * extract(epoch FROM now() - interval '1 h'))::bigint), 12, '0'), 32, '0')::uuid
        ORDER BY id DESC LIMIT 100000
    )
    SELECT jsonb_build_object('within', name, 'minutes', minutes,
        'orders', (SELECT count(*) FROM newest WHERE id >= first)) AS row
    FROM spans ORDER BY minutes";
/// The most that are counted.
const COUNTED: f64 = 100_000.0;

/// GET /system: this replica is shown even when the database does not answer.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let state = &visit.console.state;
    let usage = state.pool.usage();
    let snapshot = visit.snapshot.as_ref();
    let readiness = state
        .readiness
        .reason()
        .map_or_else(|| Cell::Text("yes".into()), Cell::Bad);
    let (batches, seconds) = state.metrics.commits();
    let commits = match batches {
        0 => "none yet".to_owned(),
        batches => format!("{batches}, {:.1} ms on average", 1e3 * seconds / batches as f64),
    };
    let replica = Facts {
        heading: "This replica".into(),
        rows: vec![
            ("host".into(), Cell::Text(process::host_name())),
            ("build".into(), Cell::Text(env!("CARGO_PKG_VERSION").into())),
            ("ready".into(), readiness),
            (
                "data read at".into(),
                snapshot.map_or_else(
                    || Cell::Bad("not yet".into()),
                    |snapshot| Cell::Time(snapshot.now()),
                ),
            ),
            ("commits of orders".into(), Cell::Text(commits)),
            (
                "database connections".into(),
                Cell::Text(format!(
                    "{} of {} open, {} idle, {} requests wait",
                    usage.open, usage.most, usage.idle, usage.waiting
                )),
            ),
        ],
    };
    let mut sections = vec![Section::Facts(replica)];
    let read = visit.read(async |connection| {
        Ok((
            loads::rows(connection, ORDERED).await?,
            loads::rows(connection, LIMITED).await?,
            browse::priorities(connection, state.queue.depths()).await?,
        ))
    });
    match read.await {
        Ok((ordered, limited, priorities)) => sections.extend([
            Section::Table(rates(&ordered)),
            Section::Table(priorities_table(&visit, &priorities)),
            loads::table(
                "Limited promotions",
                &[("Code", "code"), ("Uses", "uses"), ("Limit", "max_uses")],
                &limited,
                "No promotion is limited.",
            ),
        ]),
        Err(_) => sections.push(Section::Facts(Facts {
            heading: "Database".into(),
            rows: vec![(
                "state".into(),
                Cell::Bad("does not answer within 2 seconds".into()),
            )],
        })),
    }
    sections.extend([Section::Table(refusals(&visit)), figures(&visit)]);
    Ok(visit.page("System", sections))
}

/// How many orders all replicas stored.
fn rates(ordered: &[Value]) -> Table {
    let row = |row: &Value| {
        let number = |name| row.get(name).and_then(Value::as_f64).unwrap_or_default();
        let orders = number("orders");
        let per_minute = orders / number("minutes").max(1.0);
        // Of more it is not known how many there were.
        let more = if orders < COUNTED { "" } else { "+" };
        Row {
            cells: vec![
                Cell::of(row, "within"),
                Cell::Number(format!("{orders}{more}")),
                Cell::Number(format!("{per_minute:.1}{more}")),
            ],
            ..Row::default()
        }
    };
    Table {
        caption: "Orders of all replicas".into(),
        head: vec!["Within the last", "Orders", "A minute"],
        rows: ordered.iter().map(row).collect(),
        ..Table::default()
    }
}

/// The last orders that this replica did not store.
fn refusals(visit: &Visit) -> Table {
    let row = |(at, reason): (DateTime<Utc>, &'static str)| Row {
        cells: vec![Cell::Time(at), Cell::Text(reason.to_owned())],
        ..Row::default()
    };
    let last = visit.console.state.metrics.last_refusals();
    Table {
        caption: "The last 50 orders that this replica refused, newest first".into(),
        head: vec!["At", "Why"],
        rows: last.into_iter().map(row).collect(),
        empty: "None since its start.",
        ..Table::default()
    }
}

/// The replica's own counters, those that tell of orders and refusals.
fn figures(visit: &Visit) -> Section {
    let wanted = |name: &str| {
        ["order_", "orders_", "requests_limited", "event_streams"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let mut rows: Vec<Value> = Vec::new();
    for family in visit.console.registry.gather() {
        if !wanted(family.name()) {
            continue;
        }
        for metric in family.get_metric() {
            let labels: Vec<String> = metric
                .get_label()
                .iter()
                .map(|label| format!("{}={}", label.name(), label.value()))
                .collect();
            let value = match family.get_field_type() {
                MetricType::COUNTER => metric.get_counter().get_value(),
                MetricType::GAUGE => metric.get_gauge().get_value(),
                _ => continue,
            };
            rows.push(json!({
                "name": family.name(), "labels": labels.join(", "), "value": value.to_string(),
            }));
        }
    }
    loads::table(
        "Counted by this replica since its start",
        &[("Figure", "name"), ("Of", "labels"), ("Value", "value")],
        &rows,
        "Nothing was counted yet.",
    )
}
