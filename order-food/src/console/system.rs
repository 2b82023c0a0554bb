//! This replica and the whole: build, readiness, pool, figures of its own registry.

use actix_web::HttpResponse;
use prometheus::proto::MetricType;
use serde_json::Value;

use super::loads;
use super::view::{Cell, Facts, Section};
use super::visit::{Refusal, Visit};

const LIMITED: &str = "
    SELECT jsonb_build_object('code', code, 'uses', uses, 'max_uses', max_uses) AS row
    FROM promotions JOIN promotion_uses USING (code) WHERE max_uses IS NOT NULL ORDER BY uses DESC LIMIT 50";

/// GET /system: this replica is shown even when the database does not answer.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let state = &visit.console.state;
    let usage = state.pool.usage();
    let snapshot = visit.snapshot.as_ref();
    let readiness = state
        .readiness
        .reason()
        .map_or_else(|| Cell::Text("yes".into()), Cell::Bad);
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
            (
                "database connections".into(),
                Cell::Text(format!(
                    "{} of {} open, {} idle, {} requests wait",
                    usage.open, usage.most, usage.idle, usage.waiting
                )),
            ),
        ],
    };
    let mut sections = vec![Section::Facts(replica), figures(&visit)];
    match visit
        .read(async |connection| loads::rows(connection, LIMITED).await)
        .await
    {
        Ok(rows) => sections.push(loads::table(
            "Limited promotions",
            &[("Code", "code"), ("Uses", "uses"), ("Limit", "max_uses")],
            &rows,
            "No promotion is limited.",
        )),
        Err(_) => sections.push(Section::Facts(Facts {
            heading: "Database".into(),
            rows: vec![(
                "state".into(),
                Cell::Bad("does not answer within 2 seconds".into()),
            )],
        })),
    }
    Ok(visit.page("System", sections))
}

/// The replica's own counters, those that tell of orders and refusals.
fn figures(visit: &Visit) -> Section {
    let wanted = |name: &str| {
        [
            "order_",
            "orders_",
            "requests_limited",
            "event_streams",
            "snapshot_",
        ]
        .iter()
        .any(|start| name.starts_with(start))
    };
    let mut rows = Vec::new();
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
            rows.push(serde_json::json!({
                "name": family.name(), "labels": labels.join(", "), "value": value.to_string(),
            }));
        }
    }
    let rows: Vec<Value> = rows;
    loads::table(
        "Counted by this replica since its start",
        &[("Figure", "name"), ("Of", "labels"), ("Value", "value")],
        &rows,
        "Nothing was counted yet.",
    )
}
