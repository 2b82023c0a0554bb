//! `rules.yaml`: what it alerts of, how bad that is, and where to read on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::promtool;
use crate::repository;

/// The alerts for the person on call.
pub(super) const ALERTS: [&str; 21] = [
    "BootstrapRunLost",
    "BootstrapSlow",
    "CriticalQueueBacklog",
    "CronJobConsecutiveFailures",
    "DataStale",
    "DatabaseUnreachable",
    "DeadLetterQueueGrowing",
    "HpaAtMaximum",
    "InitContainerFailed",
    "JobFailureRateHigh",
    "JobsNotProcessed",
    "OrderErrorBudgetBurn",
    "OrderFoodDown",
    "OrderLatencyHigh",
    "OrderPartitionsMissing",
    "OrderQueueFull",
    "OutcomeUnknown",
    "ReadStandbyNotUsed",
    "SnapshotRowsSkipped",
    "SnapshotStale",
    "WebhookEndpointDown",
];

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    interval: Option<String>,
    rules: Vec<Rule>,
}

/// An alert; every key must be there, and no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) alert: String,
    pub(super) expr: String,
    r#for: String,
    labels: BTreeMap<String, String>,
    annotations: Annotations,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    summary: String,
    description: String,
    runbook_url: String,
}

#[derive(Deserialize)]
struct Tests {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    input_series: Vec<Series>,
    alert_rule_test: Vec<Case>,
}

#[derive(Deserialize)]
struct Series {
    series: String,
}

#[derive(Deserialize)]
struct Case {
    alertname: String,
    exp_alerts: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    exp_labels: BTreeMap<String, String>,
}

fn groups() -> Vec<Group> {
    let rules: Rules = yaml_serde::from_str(&repository::text("charts/order-food/files/rules.yaml")).unwrap();
    rules.groups
}

/// Every rule of every group.
pub(super) fn rules() -> Vec<Rule> {
    groups().into_iter().flat_map(|group| group.rules).collect()
}

#[test]
fn the_alerts_of_jobs_are_a_group_that_is_evaluated_each_30_s() {
    let groups = groups();
    let group = groups
        .iter()
        .find(|group| group.name == "background_jobs")
        .unwrap();

    let mut found: Vec<(&str, &str, &str)> = group
        .rules
        .iter()
        .map(|rule| {
            (
                rule.alert.as_str(),
                rule.r#for.as_str(),
                rule.labels["severity"].as_str(),
            )
        })
        .collect();
    found.sort_unstable();

    assert_eq!(group.interval.as_deref(), Some("30s"));
    assert_eq!(
        found,
        [
            ("CriticalQueueBacklog", "2m", "critical"),
            ("DeadLetterQueueGrowing", "5m", "warning"),
            ("JobFailureRateHigh", "5m", "warning"),
            ("JobsNotProcessed", "10m", "critical"),
            ("JobsNotProcessed", "1m", "warning"),
            ("WebhookEndpointDown", "10m", "warning"),
        ]
    );
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    let folder = repository::path("charts/order-food/files");

    let checked = promtool(&folder, &["check", "rules", "rules.yaml"]);
    let tested = promtool(&folder, &["test", "rules", "rules_test.yaml"]);

    assert!(
        checked.contains(&format!("{} rules found", rules().len())),
        "{checked}"
    );
    assert!(tested.contains("SUCCESS"), "{tested}");
}

#[test]
fn every_alert_says_how_bad_it_is_and_has_a_section_in_the_operations_manual() {
    let manual = repository::text("docs/OPERATIONS.md");
    let headings: BTreeSet<String> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(str::to_lowercase)
        .collect();

    let rules = rules();

    for rule in &rules {
        let name = &rule.alert;
        assert!(ALERTS.contains(&name.as_str()), "{name} is not on the list");
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(
            matches!(severity, Some("critical" | "warning")),
            "{name}: {severity:?}"
        );
        assert!(
            rule.r#for != "0s" && rule.r#for.ends_with(['s', 'm']),
            "{name}: {}",
            rule.r#for
        );
        let Annotations {
            summary,
            description,
            runbook_url,
        } = &rule.annotations;
        assert!(
            !summary.is_empty() && description.len() > summary.len() / 2,
            "{name}"
        );
        let anchor = name.to_lowercase();
        assert_eq!(*runbook_url, format!("docs/OPERATIONS.md#{anchor}"));
        assert!(
            headings.contains(&anchor),
            "no section ### {name} in docs/OPERATIONS.md"
        );
    }
    let named: BTreeSet<&str> = rules.iter().map(|rule| rule.alert.as_str()).collect();
    assert_eq!(named, BTreeSet::from(ALERTS));
}

#[test]
fn every_rule_is_tested_with_series_that_fire_and_with_series_that_come_close() {
    let tests: Tests =
        yaml_serde::from_str(&repository::text("charts/order-food/files/rules_test.yaml")).unwrap();

    for rule in rules() {
        let of_rule = tests.tests.iter().filter(|test| {
            let cases = test.alert_rule_test.iter();
            let expected = cases
                .filter(|case| case.alertname == rule.alert)
                .flat_map(|case| &case.exp_alerts);
            let is_fired = |expected: &Expected| {
                let label = |name: &str| expected.exp_labels.get(name) == rule.labels.get(name);
                label("severity") && label("window")
            };
            expected.into_iter().any(is_fired)
        });
        let series: Vec<&str> = of_rule
            .flat_map(|test| &test.input_series)
            .map(|series| series.series.as_str())
            .collect();

        for namespace in ["fires", "close"] {
            let label = format!("namespace=\"{namespace}\"");
            let is_there = series.iter().any(|series| series.contains(&label));
            assert!(is_there, "{} {:?}: nothing {namespace}", rule.alert, rule.labels);
        }
    }
}
