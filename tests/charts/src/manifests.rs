//! The plain manifests under `k8s/`, written from the chart order-food.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::helm::{Render, render};
use crate::object::Object;
use crate::repository;

/// A pool of workers: its file under `k8s/`, and the name of its objects.
pub const POOLS: [(&str, &str); 3] = [
    ("base/deployment-workers.yaml", "order-food-workers"),
    (
        "base/deployment-workers-critical.yaml",
        "order-food-workers-critical",
    ),
    ("blue-green/deployment-workers-v2.yaml", "order-food-workers-v2"),
];

/// The Job that replays dead letters.
pub const REPLAY: &str = "jobs/dead-letters-replay.yaml";

/// In the order in which a reader looks for them.
const KINDS: [&str; 4] = [
    "Deployment",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
];

const HEAD: &str = "# Written from charts/order-food with k8s/values.yaml by `make charts`.\n";

/// A file under `k8s/`.
#[must_use]
pub fn path(file: &str) -> PathBuf {
    repository().join("k8s").join(file)
}

/// The chart as the manifests are written from it; `autoscaling`: as it is, or switched off, where
/// the Deployments say how many pods they begin with.
#[must_use]
pub fn chart(autoscaling: bool) -> Render {
    render("order-food")
        .values(&path("values.yaml"))
        .set(&format!("workers.autoscaling.enabled={autoscaling}"))
}

/// Every file with the text that it should have.
#[must_use]
pub fn files() -> Vec<(PathBuf, String)> {
    let (scaled, fixed) = (chart(true).text().unwrap(), chart(false).text().unwrap());
    let document = |kind: &str, name: &str| {
        let text = if kind == "Deployment" { &fixed } else { &scaled };
        let found = text.split("\n---\n").find(|document| {
            Object::parse(document)
                .first()
                .is_some_and(|object| object.kind() == kind && object.name() == name)
        });
        plain(found.unwrap_or_else(|| panic!("no {kind} {name}")))
    };
    let pools = POOLS.map(|(file, name)| {
        let documents = KINDS.map(|kind| document(kind, name));
        (path(file), format!("{HEAD}{}", documents.join("---\n")))
    });
    let deployment = Object::parse(&document("Deployment", POOLS[0].1)).remove(0);
    let replay = yaml_serde::to_string(&replay(&deployment)).unwrap();
    let text = format!(
        "{HEAD}# Queues dead letters again, each once: kubectl create -f k8s/jobs/dead-letters-replay.yaml -n order-food\n{replay}"
    );
    pools.into_iter().chain([(path(REPLAY), text)]).collect()
}

/// Without what Helm alone makes of it: the comment of the source, and the labels of the release.
pub(crate) fn plain(document: &str) -> String {
    let is_helms = |line: &str| {
        let line = line.trim();
        line.starts_with("# Source:")
            || line.starts_with("helm.sh/chart:")
            || line.starts_with("app.kubernetes.io/managed-by:")
    };
    let lines = document
        .lines()
        .filter(|line| !is_helms(line) && !line.trim().is_empty());
    lines
        .filter(|line| *line != "---")
        .map(|line| format!("{line}\n"))
        .collect()
}

/// A Job whose pod is a worker's but for its arguments, and neither probed nor scraped.
fn replay(deployment: &Object) -> Value {
    let mut spec = deployment.at("/spec/template/spec").clone();
    spec["restartPolicy"] = json!("Never");
    let fields = spec.as_object_mut().unwrap();
    fields.remove("topologySpreadConstraints");
    fields.remove("terminationGracePeriodSeconds");
    let container = spec["containers"][0].as_object_mut().unwrap();
    for field in ["ports", "startupProbe", "livenessProbe", "readinessProbe"] {
        container.remove(field);
    }
    container["name"] = json!("jobs");
    container["args"] = json!(["jobs", "dead-letters", "replay", "--all"]);
    container["resources"] =
        json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}});
    let labels = json!({
        "app": "order-food",
        "app.kubernetes.io/component": "job",
        "app.kubernetes.io/name": "order-food-dead-letters-replay",
        "app.kubernetes.io/part-of": "order-food",
    });
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": "dead-letters-replay-", "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 3600,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    })
}
