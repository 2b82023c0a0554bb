//! `dashboard.json`: its panels, and that Prometheus accepts its expressions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::promtool;
use crate::repository;

/// Beginnings of titles: every figure that the dashboard owes.
const OWED: [&str; 22] = [
    "Requests by route",
    "Errors by status",
    "Share of orders answered 5xx",
    "Latency p50 by route",
    "Latency p95 by route",
    "Latency p99 by route",
    "Orders per minute",
    "Revenue",
    "Discounts",
    "Batch size",
    "Commit time",
    "Queue length",
    "Pool use",
    "Age of the data",
    "Load history",
    "Failed and lost runs",
    "Time of the last run",
    "Init container duration",
    "CPU",
    "Memory",
    "Replicas and HPA",
    "Alerts firing",
];

fn dashboard() -> Value {
    serde_json::from_str(&repository::text("charts/order-food/files/dashboard.json")).unwrap()
}

/// Everything on the dashboard that is drawn.
fn panels() -> Vec<Value> {
    let panels = dashboard()["panels"].as_array().unwrap().clone();
    panels
        .into_iter()
        .filter(|panel| panel["type"] != "row")
        .collect()
}

/// Every expression, as Grafana asks it: variables replaced by what they may be.
pub(super) fn expressions() -> Vec<String> {
    let panels = panels();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    targets
        .map(|target| {
            target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "5m")
                .replace("$namespace", ".*")
                .replace("$route", ".*")
        })
        .collect()
}

#[test]
fn promtool_accepts_every_expression_of_the_dashboard() {
    let expressions = expressions();
    let rules: Vec<Value> = expressions
        .iter()
        .enumerate()
        .map(|(index, expression)| json!({"record": format!("panel:{index}"), "expr": expression}))
        .collect();
    let folder = std::env::temp_dir().join(format!("order-food-dashboard-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    std::fs::write(folder.join("expressions.yaml"), text).unwrap();

    let said = promtool(&folder, &["check", "rules", "expressions.yaml"]);

    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        said.contains(&format!("{} rules found", expressions.len())),
        "{said}"
    );
    let variable = expressions.iter().find(|expression| expression.contains('$'));
    assert_eq!(variable, None);
}

#[test]
fn every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() {
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(
            !title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()),
            "{panel}"
        );
        assert!(
            panel["description"].as_str().is_some_and(|text| text.len() > 20),
            "{title}"
        );
        assert!(
            panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title}: no unit"
        );
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                target["legendFormat"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{title}"
            );
            let expression = target["expr"].as_str().unwrap();
            assert!(
                expression.contains("namespace=~\"$namespace"),
                "{title}: {expression}"
            );
        }
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{title} is too wide");
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{title} lies over another panel");
            }
        }
    }
}

#[test]
fn the_dashboard_has_a_panel_for_everything_that_it_owes() {
    let titles: Vec<String> = panels()
        .iter()
        .map(|panel| panel["title"].as_str().unwrap().to_owned())
        .collect();

    let missing: Vec<&str> = OWED
        .into_iter()
        .filter(|owed| !titles.iter().any(|title| title.starts_with(owed)))
        .collect();

    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn data_source_namespace_and_route_can_be_chosen() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();

    let names: Vec<&Value> = variables.iter().map(|variable| &variable["name"]).collect();

    assert_eq!(names, ["datasource", "namespace", "route"]);
    for variable in &variables[1..] {
        // An empty namespace, as in compose, is one, too.
        assert_eq!(
            (&variable["includeAll"], &variable["allValue"]),
            (&json!(true), &json!(".*"))
        );
    }
}
