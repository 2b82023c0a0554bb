//! The manifests under `k8s/`: made from the chart, valid, and buildable by kustomize.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use charts_tests::manifests::{POOLS, REPLAY, files, path};
use charts_tests::object::{Object, variable};
use charts_tests::{KUBERNETES, repository, tool};
use serde_json::{Value, json};

use crate::schema::Schemas;

/// The objects of a file under `k8s/`.
fn objects(file: &str) -> Vec<Object> {
    Object::parse(&fs::read_to_string(path(file)).unwrap())
}

/// What `kubectl apply -k k8s/base/` applies.
pub(crate) fn built() -> &'static [Object] {
    static BUILT: OnceLock<Vec<Object>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = Command::new(tool("kustomize"))
            .arg("build")
            .arg(path("base"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Object::parse(&String::from_utf8(output.stdout).unwrap())
    })
}

#[test]
fn the_manifests_are_those_that_the_chart_makes() {
    for (path, expected) in files() {
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written, expected, "{}: type: make charts", path.display());
    }
}

/// Without what Helm or kustomize alone say, and without the number of pods.
fn comparable(object: &Object) -> Value {
    let mut value = object.0.clone();
    for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
        if let Some(labels) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
            labels.remove("helm.sh/chart");
            labels.remove("app.kubernetes.io/managed-by");
        }
    }
    value["metadata"].as_object_mut().unwrap().remove("namespace");
    if object.kind() == "Deployment" {
        value["spec"].as_object_mut().unwrap().remove("replicas");
    }
    value
}

#[test]
fn kustomize_builds_the_general_pool_and_its_configuration() {
    let kinds: BTreeMap<&str, &str> = built()
        .iter()
        .map(|object| (object.kind(), object.name()))
        .collect();
    assert_eq!(
        kinds,
        BTreeMap::from([
            // `kubectl edit configmap order-food-config` finds it.
            ("ConfigMap", "order-food-config"),
            ("Deployment", "order-food-workers"),
            ("HorizontalPodAutoscaler", "order-food-workers"),
            ("NetworkPolicy", "order-food-workers"),
            ("PodDisruptionBudget", "order-food-workers"),
        ])
    );
    for object in built() {
        assert_eq!(
            object.at("/metadata/namespace"),
            "order-food",
            "{}",
            object.kind()
        );
        if object.kind() != "ConfigMap" {
            let file = objects(POOLS[0].0);
            let same = file.iter().find(|other| other.kind() == object.kind()).unwrap();
            assert_eq!(comparable(object), comparable(same));
        }
    }
}

#[test]
fn the_configuration_holds_the_documented_variables_with_the_programs_defaults() {
    let configuration = built()
        .iter()
        .find(|object| object.kind() == "ConfigMap")
        .unwrap();
    let settings = fs::read_to_string(repository().join("order-food/config/default.toml")).unwrap();
    let settings: Value = toml::from_str(&settings).unwrap();
    let jobs = &settings["jobs"];
    for (variable, default) in [
        ("JOBS_SCHEDULER_ENABLED", jobs["scheduler_enabled"].to_string()),
        (
            "JOBS_QUEUE_CAPACITY_CRITICAL",
            jobs["queue_capacity"]["critical"].to_string(),
        ),
        (
            "JOBS_QUEUE_CAPACITY_DEFAULT",
            jobs["queue_capacity"]["default"].to_string(),
        ),
        (
            "JOBS_RETRY_MAX_ATTEMPTS_CRITICAL",
            jobs["retry_max_attempts"]["critical"].to_string(),
        ),
        (
            "JOBS_RETRY_MAX_ATTEMPTS_DEFAULT",
            jobs["retry_max_attempts"]["default"].to_string(),
        ),
        (
            "WORKER_PRIORITY_FILTER",
            jobs["priority_filter"].as_str().unwrap().to_owned(),
        ),
    ] {
        assert_eq!(
            configuration.text(&format!("/data/{variable}")),
            default,
            "{variable}"
        );
    }
}

#[test]
fn each_file_is_valid_alone_for_three_kubernetes_versions() {
    for kubernetes in KUBERNETES {
        let mut schemas = Schemas::of(kubernetes);
        let single = POOLS
            .iter()
            .map(|(file, _)| *file)
            .chain([REPLAY])
            .flat_map(objects);
        let mut valid = 0;
        for object in single.chain(built().iter().cloned()) {
            let complaints = schemas.complaints(&object).unwrap();
            assert_eq!(
                complaints,
                Vec::<String>::new(),
                "{} {}",
                object.kind(),
                kubernetes
            );
            valid += 1;
        }
        assert_eq!(valid, 3 * 4 + 1 + 5);
    }
}

#[test]
fn a_configuration_or_secret_that_is_optional_is_named_so() {
    for object in POOLS.iter().flat_map(|(file, _)| objects(file)) {
        let Some(pod) = object.pod() else { continue };
        let container = pod.container("workers");
        assert_eq!(
            container["envFrom"],
            json!([{"configMapRef": {"name": "order-food-config", "optional": true}}])
        );
        for (name, source, key) in [
            ("AWS_ACCESS_KEY_ID", "secretKeyRef", "access-key-id"),
            ("AWS_SECRET_ACCESS_KEY", "secretKeyRef", "secret-access-key"),
        ] {
            let source = &variable(container, name)[source];
            assert_eq!(
                (&source["key"], &source["optional"]),
                (&json!(key), &json!(true)),
                "{name}"
            );
        }
        // A variable with a value would win over the ConfigMap.
        for name in [
            "JOBS_SCHEDULER_ENABLED",
            "JOBS_QUEUE_CAPACITY_CRITICAL",
            "JOBS_RETRY_MAX_ATTEMPTS_DEFAULT",
        ] {
            assert!(variable(container, name).is_null(), "{name}");
        }
        // What `kubectl set env --list` shows, and `kubectl apply` may set back.
        assert_eq!(variable(container, "QUARKUS_SCHEDULER_ENABLED"), "true");
        assert_eq!(pod.spec["serviceAccountName"], "order-food");
    }
}

#[test]
fn the_replay_is_a_pod_of_the_workers_that_no_selector_of_theirs_chooses() {
    let job = objects(REPLAY).remove(0);
    let pod = job.pod().unwrap();
    let container = pod.container("jobs");
    assert_eq!(
        container["args"],
        json!(["jobs", "dead-letters", "replay", "--all"])
    );
    assert_eq!(pod.spec["restartPolicy"], "Never");
    let worker = objects(POOLS[0].0).remove(0);
    let worker = worker.pod().unwrap();
    assert_eq!(container["env"], worker.container("workers")["env"]);
    assert_eq!(
        container["securityContext"],
        worker.container("workers")["securityContext"]
    );
    assert_eq!(pod.spec["volumes"], worker.spec["volumes"]);
    assert_ne!(
        pod.labels["app.kubernetes.io/name"],
        worker.labels["app.kubernetes.io/name"]
    );
}
