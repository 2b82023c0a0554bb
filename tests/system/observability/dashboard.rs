//! The dashboards: their panels, and that Prometheus accepts their expressions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::promtool;
use super::rules::ALERTS;
use crate::{manual, repository};

/// A dashboard, and the beginnings of the titles of all that it owes.
struct Dashboard {
    file: &'static str,
    uid: &'static str,
    title: &'static str,
    variables: &'static [&'static str],
    owed: &'static [&'static str],
}

const DASHBOARDS: [Dashboard; 2] = [
    Dashboard {
        file: "dashboard.json",
        uid: "order-food",
        title: "order-food",
        variables: &["datasource", "namespace", "route"],
        owed: &[
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
            "Rows left out of the snapshot",
            "Reads of orders, by server",
            "Lag of the read standby",
            "Load history",
            "Failed and lost runs",
            "Time of the last run",
            "Init container duration",
            "CPU",
            "Memory",
            "Replicas and HPA",
            "Alerts firing",
        ],
    },
    Dashboard {
        file: "dashboard-jobs.json",
        uid: "background-job-health",
        title: "Background Job Health",
        variables: &["datasource", "namespace"],
        owed: &[
            "Queue depth by priority",
            "Job completion rate vs. failure rate",
            "DLQ depth over time",
            "Job duration p50/p95/p99",
            "Worker pods: CPU",
            "Worker pods: memory",
            "HPA scaling events",
            "Age of the oldest due job",
            "Waiting time p95 by priority",
            "Rescued and refused",
            "Paused",
            "Deliveries by outcome",
            "Endpoints by state",
            "Alerts firing",
        ],
    },
];

impl Dashboard {
    fn json(&self) -> Value {
        let path = format!("charts/order-food/files/{}", self.file);
        serde_json::from_str(&repository::text(&path)).unwrap()
    }

    /// Everything on the dashboard that is drawn.
    fn panels(&self) -> Vec<Value> {
        let panels = self.json()["panels"].as_array().unwrap().clone();
        panels
            .into_iter()
            .filter(|panel| panel["type"] != "row")
            .collect()
    }
}

/// Every expression of every dashboard, as Grafana asks it: variables replaced by what they may be.
pub(super) fn expressions() -> Vec<String> {
    let panels: Vec<Value> = DASHBOARDS.iter().flat_map(Dashboard::panels).collect();
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
fn promtool_accepts_every_expression_of_the_dashboards_and_of_the_runbook() {
    let expressions = [expressions(), manual::expressions_of_the_runbook()].concat();
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
    for dashboard in &DASHBOARDS {
        panels_are_complete(dashboard);
    }
}

fn panels_are_complete(dashboard: &Dashboard) {
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard.panels() {
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
fn each_dashboard_has_a_panel_for_everything_that_it_owes() {
    for dashboard in &DASHBOARDS {
        let titles: Vec<String> = dashboard
            .panels()
            .iter()
            .map(|panel| panel["title"].as_str().unwrap().to_owned())
            .collect();

        let owed = dashboard.owed.iter();
        let missing: Vec<&&str> = owed
            .filter(|owed| !titles.iter().any(|title| title.starts_with(**owed)))
            .collect();

        assert_eq!(missing, Vec::<&&str>::new(), "{}", dashboard.file);
        let json = dashboard.json();
        assert_eq!(
            (&json["uid"], &json["title"]),
            (&json!(dashboard.uid), &json!(dashboard.title))
        );
    }
}

#[test]
fn each_alert_is_counted_by_one_of_the_dashboards() {
    let panels: Vec<Value> = DASHBOARDS.iter().flat_map(Dashboard::panels).collect();
    let counts = panels.iter().filter(|panel| panel["title"] == "Alerts firing");
    let mut counted: Vec<&str> = counts
        .flat_map(|panel| {
            let expression = panel["targets"][0]["expr"].as_str().unwrap();
            let (_, names) = expression.split_once("alertname=~\"").unwrap();
            names.split('"').next().unwrap().split('|')
        })
        .collect();
    counted.sort_unstable();

    assert_eq!(counted, ALERTS);
}

#[test]
fn the_depth_of_the_queue_is_drawn_stacked() {
    let panels = DASHBOARDS[1].panels();

    let depth = panels
        .iter()
        .find(|panel| panel["title"] == "Queue depth by priority");

    let stacking = &depth.unwrap()["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"];
    assert_eq!(stacking, "normal");
}

#[test]
fn data_source_namespace_and_route_can_be_chosen() {
    for dashboard in &DASHBOARDS {
        let json = dashboard.json();
        let variables = json["templating"]["list"].as_array().unwrap();

        let names: Vec<&str> = variables
            .iter()
            .map(|variable| variable["name"].as_str().unwrap())
            .collect();

        assert_eq!(names, dashboard.variables);
        for variable in &variables[1..] {
            // An empty namespace, as in compose, is one, too.
            assert_eq!(
                (&variable["includeAll"], &variable["allValue"]),
                (&json!(true), &json!(".*"))
            );
        }
    }
}

#[test]
fn compose_provisions_every_dashboard() {
    let compose = repository::text("docker-compose.yml");
    for dashboard in &DASHBOARDS {
        let mount = format!(
            "- ./charts/order-food/files/{}:/etc/grafana/dashboards/",
            dashboard.file
        );
        assert!(compose.contains(&mount), "{mount}");
    }
}
