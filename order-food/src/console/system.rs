//! This replica and the whole: build, readiness, pool, commits, refusals, rates of orders, queues.

use actix_web::HttpResponse;
use job_queue::browse;
use prometheus::proto::MetricType;
use serde_json::{Value, json};

use super::cell::Cell;
use super::jobs::priorities_table;
use super::loads;
use super::view::{Facts, Section, Table};
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
        .map_or_else(|| Cell::text("yes"), Cell::Bad);
    let (batches, seconds) = state.metrics.commits();
    let commits = match batches {
        0 => "none yet".to_owned(),
        batches => format!("{batches}, {:.1} ms on average", 1e3 * seconds / batches as f64),
    };
    let connections = format!(
        "{} of {} open, {} idle, {} requests wait",
        usage.open, usage.most, usage.idle, usage.waiting
    );
    let read_at = snapshot.map(|snapshot| Cell::Time(snapshot.now()));
    let replica = Facts::new(
        "This replica",
        [
            ("host", Cell::Text(process::host_name())),
            ("build", Cell::text(env!("CARGO_PKG_VERSION"))),
            ("ready", readiness),
            (
                "data read at",
                read_at.unwrap_or_else(|| Cell::Bad("not yet".into())),
            ),
            ("commits of orders", Cell::Text(commits)),
            ("database connections", Cell::Text(connections)),
        ],
    );
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
            Section::Table(Table::of(
                "Limited promotions",
                &[("Code", "code"), ("Uses", "uses"), ("Limit", "max_uses")],
                &limited,
                "No promotion is limited.",
            )),
        ]),
        Err(_) => {
            let state = Cell::Bad("does not answer within 2 seconds".into());
            sections.push(Section::Facts(Facts::new("Database", [("state", state)])));
        }
    }
    sections.extend([refusals(&visit), figures(&visit)].map(Section::Table));
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
        [
            Cell::of(row, "within"),
            Cell::Number(format!("{orders}{more}")),
            Cell::Number(format!("{per_minute:.1}{more}")),
        ]
    };
    let head = ["Within the last", "Orders", "A minute"];
    Table::new("Orders of all replicas", &head, ordered.iter().map(row), "")
}

/// The last orders that this replica did not store.
fn refusals(visit: &Visit) -> Table {
    let caption = "The last 50 orders that this replica refused, newest first";
    let last = visit.console.state.metrics.last_refusals();
    let rows = last
        .into_iter()
        .map(|(at, reason)| [Cell::Time(at), Cell::text(reason)]);
    Table::new(caption, &["At", "Why"], rows, "None since its start.")
}

/// The replica's own counters, those that tell of orders and refusals.
fn figures(visit: &Visit) -> Table {
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
    Table::of(
        "Counted by this replica since its start",
        &[("Figure", "name"), ("Of", "labels"), ("Value", "value")],
        &rows,
        "Nothing was counted yet.",
    )
}
