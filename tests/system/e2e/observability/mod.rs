//! A real Prometheus scrapes the running system with the rules of the chart: faults are made and
//! mended, and the alerts fire and clear. In the end, every panel has drawn something.
//!
//! In the rules, and nowhere else, a minute lasts two seconds: `for: 2m` becomes 4s, `[1h]` 120s.
//! Thresholds stay as they are.

mod jobs;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use test_support::http::Request;
use test_support::webhooks::Receiver;
use test_support::{OwnCluster, Process, Stop};

use super::{Shell, proved, within};
use crate::observability::{PROMTOOL, panels_of_own_metrics};
use crate::pod::{Pod, order_request};

/// Seconds that a minute of the rules lasts.
const MINUTE: u64 = 2;

/// What may fire beside the faults that are made: their side effects.
const EXPECTED: &str = "DatabaseUnreachable OrderErrorBudgetBurn DataStale OrderFoodDown OrderLatencyHigh OutcomeUnknown \
    WebhookEndpointDown CriticalQueueBacklog JobFailureRateHigh DeadLetterQueueGrowing JobsNotProcessed";

/// The rules with their times shortened.
const SHORTENED: &str = r#"perl -pe 's/(for: |\[)(\d+)([mh])/$1 . $2 * $ENV{MINUTE} * ($3 eq "h" ? 60 : 1) . "s"/ge; s/(interval: |:)30s/${1}1s/' \
    charts/order-food/files/rules.yaml"#;

struct Prometheus {
    shell: Shell,
    address: String,
    _process: Process,
}

impl Prometheus {
    /// Scrapes the ports of the API and of a worker every second.
    async fn start(folder: &Path, api: u16, worker: u16) -> Prometheus {
        let shell = Shell::new("")
            .with("PROMTOOL", PROMTOOL.display())
            .with("MINUTE", MINUTE);
        std::fs::write(folder.join("rules.yaml"), shell.ok(SHORTENED)).unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yaml]
scrape_configs:
  - {{job_name: order-food, static_configs: [{{targets: [\"127.0.0.1:{api}\"]}}]}}
  - {{job_name: order-food-workers, metrics_path: /q/metrics, static_configs: [{{targets: [\"127.0.0.1:{worker}\"]}}]}}"
        );
        std::fs::write(folder.join("prometheus.yaml"), config).unwrap();
        let address = format!("127.0.0.1:{}", test_support::free_port());
        let arguments = [
            format!("--config.file={}", folder.join("prometheus.yaml").display()),
            format!("--storage.tsdb.path={}", folder.join("tsdb").display()),
            format!("--web.listen-address={address}"),
        ];
        let process = Process::spawn(PROMTOOL.with_file_name("prometheus"), arguments, &[]);
        let prometheus = Prometheus {
            shell,
            address,
            _process: process,
        };
        within(30, "Prometheus answers", async || {
            !prometheus.query("vector(1)").is_empty()
        })
        .await;
        prometheus
    }

    /// The labels of the series that an expression gives.
    fn query(&self, expression: &str) -> Vec<Value> {
        let script = format!(
            "\"$PROMTOOL\" query instant -o json http://{} '{expression}'",
            self.address
        );
        let (_, said) = self.shell.run(&script);
        let series: Vec<Value> = serde_json::from_str(&said).unwrap_or_default();
        series
            .into_iter()
            .map(|mut series| series["metric"].take())
            .collect()
    }

    fn fires(&self, alert: &str) -> bool {
        !self
            .query(&format!(r#"ALERTS{{alertname=~"{alert}",alertstate="firing"}}"#))
            .is_empty()
    }

    async fn expect(&self, alerts: &[&str], fire: bool) {
        for alert in alerts {
            let since = Instant::now();
            let word = if fire { "fires" } else { "clears" };
            within(MINUTE * 60 + 60, &format!("{alert} {word}"), async || {
                self.fires(alert) == fire
            })
            .await;
            proved(&format!(
                "{alert} {word} after {:.1} s",
                since.elapsed().as_secs_f64()
            ));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 5 minutes: make e2e-observability"]
async fn alerts_fire_when_a_fault_is_made_and_clear_when_it_is_mended() {
    let mut cluster = OwnCluster::start();
    let folder = cluster.home().join("prometheus");
    std::fs::create_dir(&folder).unwrap();
    // A refresh every second is one a minute.
    let workers = Pod::at(&cluster.url())
        .with("REFRESH_INTERVAL", 1)
        .with("WEBHOOK_ALLOW_PRIVATE", true);
    let api = workers.bring_up().await;
    let worker = workers.work().await;
    let receiver = Receiver::start();
    jobs::subscribe(&receiver, &workers).await;
    let port = api.port;
    let pod = workers.clone().with("PORT", port);
    let customer = tokio::spawn(async move {
        loop {
            super::traffic::status(port, &order_request(super::traffic::ORDER)).await;
            super::traffic::status(port, &Request::get("/api/product/unknown")).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let prometheus = Prometheus::start(&folder, port, worker.port).await;
    within(30, "the API is scraped", async || {
        !prometheus.query("database_up == 1").is_empty()
    })
    .await;
    prometheus.expect(&["OrderFoodDown"], false).await;

    let until = Instant::now() + Duration::from_secs(30 * MINUTE);
    while Instant::now() < until {
        let alerts = prometheus.query(r#"ALERTS{alertstate="firing"}"#);
        assert!(alerts.is_empty(), "{alerts:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    proved("all is well, with orders and jobs, for as long as the longest `for` lasts: nothing fires");

    let worker = jobs::fail_and_recover(&prometheus, &cluster, &workers, worker, &receiver).await;

    let unreachable = ["DatabaseUnreachable", "OrderErrorBudgetBurn"];
    cluster.stop(Stop::Fast);
    prometheus.expect(&unreachable, true).await;
    cluster.start_again();
    prometheus.expect(&unreachable, false).await;

    let older = "UPDATE bootstrap_runs SET started_at = started_at - interval '13 h',
        heartbeat_at = heartbeat_at - interval '13 h', finished_at = finished_at - interval '13 h'";
    cluster.client().await.batch_execute(older).await.unwrap();
    prometheus.expect(&["DataStale"], true).await;
    pod.load().await;
    prometheus.expect(&["DataStale"], false).await;

    api.stop().await;
    prometheus.expect(&["OrderFoodDown"], true).await;
    proved("the API was missed, although a worker lived");
    let api = pod.serve().await;
    prometheus.expect(&["OrderFoodDown"], false).await;

    customer.abort();
    let mut empty = panels_of_own_metrics();
    // NaN is not above anything: nothing was drawn.
    empty.retain(|expression| {
        let expression = expression.replace("[5m]", "[10s]");
        let drawn = format!("count_over_time((({expression}) > -Inf)[1h:1s])");
        prometheus.query(&drawn).is_empty()
    });
    assert_eq!(empty, Vec::<String>::new(), "panels that drew nothing");
    proved("every panel of both dashboards whose metrics are ours has drawn something");
    let fired = r#"count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))"#;
    for labels in prometheus.query(fired) {
        let name = labels["alertname"].as_str().unwrap();
        assert!(EXPECTED.contains(name), "no fault was made for {name}");
    }
    drop((api, worker));
}
