//! The rules and the dashboards reach the cluster as they are in the files.

use std::fs;

use charts_tests::{chart, helm::render};
use serde_json::Value;

use crate::everything;

#[test]
fn the_rules_are_embedded_as_they_are() {
    let text = fs::read_to_string(chart("order-food").join("files/rules.yaml")).unwrap();
    let rendered = everything().text().unwrap();
    // Byte for byte, but for the two blanks before each line.
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    let flat = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert!(
        flat(&rendered).contains(flat(&indented).trim_end()),
        "rules.yaml was changed on its way"
    );

    let rules: Value = yaml_serde::from_str(&text).unwrap();
    let objects = everything().objects();
    let object = objects.only("PrometheusRule");
    assert_eq!(*object.at("/spec"), rules);
    assert!(!rules["groups"].as_array().unwrap().is_empty());
    assert_eq!(object.at("/metadata/labels/release"), "prometheus");
}

#[test]
fn the_dashboards_are_embedded_byte_for_byte() {
    let objects = everything().objects();
    let dashboards = objects.named("ConfigMap", "order-food-dashboard");
    for (file, key) in [
        ("dashboard.json", "order-food.json"),
        ("dashboard-jobs.json", "background-job-health.json"),
    ] {
        let text = fs::read_to_string(chart("order-food").join("files").join(file)).unwrap();
        assert_eq!(dashboards.text(&format!("/data/{key}")), text);
    }
    assert_eq!(dashboards.at("/metadata/labels/grafana_dashboard"), "1");
    assert_eq!(dashboards.at("/metadata/annotations/grafana_folder"), "Shop");
}

#[test]
fn monitoring_is_off_where_it_was_not_asked_for() {
    let objects = render("order-food").objects();
    for kind in [
        "ServiceMonitor",
        "PodMonitor",
        "PrometheusRule",
        "ConfigMap",
        "NetworkPolicy",
        "Ingress",
        "HTTPRoute",
    ] {
        assert!(objects.of(kind).is_empty(), "{kind}");
    }
}
