//! What rules and dashboard ask for, the running programs export.

use std::collections::{BTreeMap, BTreeSet};

use prometheus_parse::Value;
use test_support::TestDatabase;

use super::promql::{AGGREGATIONS, mentions, unguarded_divisors};
use super::{dashboard, rules};
use crate::pod::{API, Pod};
use crate::{manual, repository};

/// Metrics of others, `name type exporter` a line.
const EXTERNAL: &str = "tests/system/observability/external-metrics.txt";

pub(super) fn external() -> BTreeMap<String, String> {
    let text = repository::text(EXTERNAL);
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = BTreeMap::new();
    for line in lines {
        let [name, kind, _exporter] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("name type exporter expected: {line}");
        };
        assert!(["counter", "gauge"].contains(&kind), "{line}");
        assert!(found.insert(name.into(), kind.into()).is_none(), "twice: {line}");
    }
    found
}

/// What a pod that took an order exports, and a worker that leads.
struct Scraped {
    api: BTreeMap<String, String>,
    worker: BTreeMap<String, String>,
}

async fn scraped() -> Scraped {
    let database = TestDatabase::empty().await;
    // Not a standby, so it is not used: its metrics are there all the same.
    let pod = Pod::on(&database).with("READ_DATABASE_URL", database.url());
    let api = pod.bring_up().await;
    let placed = api.order(r#"{"items":[{"productId":"1","quantity":1}]}"#).await;
    assert_eq!(placed.status(), 200);
    let worker = pod.work().await;
    let paused = pod
        .run(API, &["jobs", "pause", "kind:order.webhook", "--reason", "test"])
        .await;
    assert_eq!(paused.code, Some(0), "{paused:?}");
    test_support::eventually("the worker leads, and knows of the pause", async || {
        let text = worker.get("/q/metrics").await.text();
        text.contains("\njobs_queue_depth{") && text.contains("\njobs_paused{")
    })
    .await;
    Scraped {
        api: exported(&api.get("/metrics").await.text()),
        worker: exported(&worker.get("/q/metrics").await.text()),
    }
}

/// Names and types of the metrics in a text.
fn exported(text: &str) -> BTreeMap<String, String> {
    // Only what has a sample: a type may be announced without any.
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let scrape = prometheus_parse::Scrape::parse(lines).expect("the text format of Prometheus");
    let mut found = BTreeMap::new();
    for sample in scrape.samples {
        let name = sample.metric;
        match sample.value {
            Value::Counter(_) => drop(found.insert(name, "counter".to_owned())),
            Value::Histogram(_) => {
                for suffix in ["bucket", "sum", "count"] {
                    found.insert(format!("{name}_{suffix}"), "counter".to_owned());
                }
            }
            _ => drop(found.insert(name, "gauge".to_owned())),
        }
    }
    found
}

#[tokio::test]
async fn every_metric_of_rules_and_dashboard_is_exported_or_on_the_list_of_external_ones() {
    let (Scraped { api, worker }, external) = (scraped().await, external());
    let exported: BTreeMap<String, String> = api.into_iter().chain(worker).collect();
    let rules = rules::rules();
    let alerts = rules.iter().map(|rule| (rule.alert.clone(), rule.expr.clone()));
    let panels = dashboard::expressions()
        .into_iter()
        .chain(manual::expressions_of_the_runbook())
        .map(|text| ("dashboard".to_owned(), text));
    let mut used = BTreeSet::new();

    for (place, expression) in alerts.chain(panels) {
        assert_eq!(
            unguarded_divisors(&expression),
            Vec::<String>::new(),
            "{place}: {expression}"
        );
        for mention in mentions(&expression) {
            let name = &mention.metric;
            let kind = exported.get(name).or_else(|| external.get(name));
            let kind = kind.unwrap_or_else(|| panic!("{place}: no program exports {name}"));
            let innermost = mention.within.last().map(String::as_str);
            let is_rate = matches!(innermost, Some("rate" | "irate" | "increase"));
            assert!(
                !is_rate || kind == "counter",
                "{place}: {name} is a {kind}: {mention:?}"
            );
            // Restarts are read as they stand: more than three since the pod was made.
            let is_count = name.ends_with("_restarts_total");
            assert!(
                is_rate || is_count || kind == "gauge",
                "{place}: {name} is a {kind}: {mention:?}"
            );
            if place != "dashboard" {
                let is_aggregated = mention
                    .within
                    .iter()
                    .any(|name| AGGREGATIONS.contains(&name.as_str()));
                assert!(is_aggregated, "{place}: replicas are not aggregated: {mention:?}");
            }
            used.insert(name.clone());
        }
    }

    let unused: Vec<&String> = external.keys().filter(|name| !used.contains(*name)).collect();
    assert_eq!(
        unused,
        Vec::<&String>::new(),
        "{EXTERNAL} has what no chart asks for"
    );
    let ours: Vec<&String> = external
        .keys()
        .filter(|name| exported.contains_key(*name))
        .collect();
    assert_eq!(
        ours,
        Vec::<&String>::new(),
        "{EXTERNAL} has what order-food exports"
    );
}

#[tokio::test]
async fn a_worker_exports_nothing_that_says_that_an_api_lives() {
    let Scraped { api, worker } = scraped().await;

    let own = [
        "database_",
        "http_requests_",
        "order_",
        "orders_",
        "dataset_",
        "bootstrap_",
        "snapshot_",
    ];
    let confused: Vec<&String> = worker
        .keys()
        .filter(|name| own.iter().any(|start| name.starts_with(start)))
        .collect();
    assert_eq!(confused, Vec::<&String>::new());
    assert!(api.contains_key("database_up") && worker.contains_key("jobs_worker_info"));

    // The backlog of each queue raises the alert.
    let rules = rules::rules();
    let backlog = rules
        .iter()
        .find(|rule| rule.alert == "CriticalQueueBacklog")
        .unwrap();
    let depths: Vec<&String> = worker
        .keys()
        .filter(|name| name.starts_with("reporting_") && name.ends_with("_queue_depth"))
        .collect();
    assert!(depths.len() >= 4, "{depths:?}");
    for depth in depths {
        let compared = format!("({depth}{{priority=\"critical\"}}) > 100");
        assert!(backlog.expr.contains(&compared), "{depth} raises no alert");
    }
}
