//! Faults of background jobs: a receiver that refuses, jobs that fail, jobs that nobody takes.

use std::time::Duration;

use test_support::OwnCluster;
use test_support::webhooks::Receiver;

use super::{Prometheus, proved, within};
use crate::pod::{API, Api, Pod};

/// A job whose payload does not fit its kind: its only attempt fails.
const UNFIT: &str = "INSERT INTO job (kind, priority, payload, timeout_ms) \
    VALUES ('maintenance.job_retention', 4, '\"?\"', 1000)";
/// A job that has been due for eleven minutes.
const OLD: &str = "INSERT INTO job (kind, priority, payload, timeout_ms, run_at) \
    VALUES ('webhook.endpoint_probe', 3, '{}', 1000, now() - interval '11 min')";

/// Makes the receiver an endpoint for the orders that are placed.
pub(super) async fn subscribe(receiver: &Receiver, pod: &Pod) {
    run(
        pod,
        &["webhooks", "add", &receiver.url, "--events", "order.placed"],
    )
    .await;
}

async fn run(pod: &Pod, arguments: &[&str]) {
    let output = pod.run(API, arguments).await;
    assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
}

/// Makes each fault, mends it, and returns the worker that runs then.
pub(super) async fn fail_and_recover(
    prometheus: &Prometheus,
    cluster: &OwnCluster,
    pod: &Pod,
    worker: Api,
    receiver: &Receiver,
) -> Api {
    let database = cluster.client().await;
    let down = ["WebhookEndpointDown", "CriticalQueueBacklog"];
    receiver.answer("500 Internal Server Error");
    prometheus.expect(&down, true).await;
    receiver.answer("204 No Content");
    prometheus.expect(&down, false).await;

    let failing = ["JobFailureRateHigh", "DeadLetterQueueGrowing"];
    let fail = async {
        loop {
            database.batch_execute(UNFIT).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = prometheus.expect(&failing, true) => {}
        () = fail => {}
    }
    run(pod, &["jobs", "dead-letters", "purge", "--all", "--yes"]).await;
    prometheus.expect(&failing, false).await;

    let late = ["JobsNotProcessed"];
    run(pod, &["jobs", "pause", "priority:LOW", "--reason", "test"]).await;
    within(30, "the worker knows of the pause", async || {
        let paused = r#"jobs_paused{scope="priority:LOW"} == 1"#;
        !prometheus.query(paused).is_empty()
    })
    .await;
    database.batch_execute(OLD).await.unwrap();
    prometheus.expect(&late, true).await;
    run(pod, &["jobs", "resume", "priority:LOW"]).await;
    prometheus.expect(&late, false).await;
    proved("jobs of a paused priority were missed, and not those of a priority that is taken");

    let port = worker.port;
    worker.stop().await;
    prometheus.expect(&late, true).await;
    let pod = pod.clone().with("PORT", port);
    let paused = pod.clone().with("JOBS_SCHEDULER_ENABLED", false).work().await;
    prometheus.expect(&late, false).await;
    within(30, "the worker is paused by its settings", async || {
        !prometheus.query("jobs_scheduler_enabled == 0").is_empty()
    })
    .await;
    paused.stop().await;
    pod.work().await
}
