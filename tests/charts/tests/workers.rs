//! The pools of workers: their numbers in chart and manifests, their labels, variables and objects.

use charts_tests::helm::{Objects, Render, render};
use charts_tests::manifests::{self, POOLS};
use charts_tests::object::{Object, selects, variable};
use serde_json::{Value, json};

use crate::manifests::built;

/// The pools of the chart, as production has them.
fn production() -> Objects {
    render("order-food")
        .own_values("values-production.yaml")
        .objects()
}

/// The chart order-food with every switch of the workers on.
fn everything() -> Render {
    render("order-food").own_values("ci/workers-values.yaml")
}

/// What the numbers are looked up in: the chart, and the manifests as they are applied.
fn places() -> Vec<(&'static str, Vec<Object>)> {
    let critical = std::fs::read_to_string(manifests::path(POOLS[1].0)).unwrap();
    let applied = built().iter().cloned().chain(Object::parse(&critical)).collect();
    vec![("chart", production().0), ("manifests", applied)]
}

/// Kind, pointer, and the values of the general and of the critical pool.
fn numbers() -> Vec<(&'static str, &'static str, Value, Value)> {
    let resource = |name: &str, share: u32| {
        json!({"type": "Resource", "resource": {"name": name,
            "target": {"type": "Utilization", "averageUtilization": share}}})
    };
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let policy = |kind: &str, value: u32, seconds: u32| json!([{"type": kind, "value": value, "periodSeconds": seconds}]);
    const RESOURCES: &str = "/spec/template/spec/containers/0/resources";
    const SCALER: &str = "HorizontalPodAutoscaler";
    vec![
        (
            "Deployment",
            RESOURCES,
            json!({"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1000m", "memory": "2Gi"}}),
            json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2000m", "memory": "4Gi"}}),
        ),
        ("Deployment", "/spec/strategy", rolling.clone(), rolling),
        (SCALER, "/spec/minReplicas", json!(2), json!(3)),
        (SCALER, "/spec/maxReplicas", json!(20), json!(30)),
        (
            SCALER,
            "/spec/metrics",
            json!([resource("cpu", 70), resource("memory", 80)]),
            json!([resource("cpu", 60)]),
        ),
        (
            SCALER,
            "/spec/behavior",
            json!({
                "scaleUp": {"policies": policy("Percent", 50, 60)},
                "scaleDown": {"stabilizationWindowSeconds": 300, "policies": policy("Pods", 1, 60)},
            }),
            json!({
                "scaleUp": {"policies": policy("Percent", 100, 30)},
                "scaleDown": {"stabilizationWindowSeconds": 600, "policies": policy("Pods", 1, 120)},
            }),
        ),
        ("PodDisruptionBudget", "/spec/maxUnavailable", json!(1), json!(1)),
    ]
}

#[test]
fn chart_and_manifests_carry_every_number_of_the_two_pools() {
    for (place, objects) in places() {
        for (kind, pointer, general, critical) in numbers() {
            for (name, expected) in [
                ("order-food-workers", general),
                ("order-food-workers-critical", critical),
            ] {
                let found = objects
                    .iter()
                    .find(|object| object.kind() == kind && object.name() == name)
                    .unwrap_or_else(|| panic!("{place}: no {kind} {name}"));
                assert_eq!(*found.at(pointer), expected, "{place}: {kind} {name}{pointer}");
            }
        }
    }
}

#[test]
fn without_the_autoscaler_the_pools_have_three_and_five_pods() {
    let replicas = |objects: &[Object]| -> Vec<Value> {
        POOLS[..2]
            .iter()
            .map(|(_, name)| {
                let mut found = objects.iter();
                let found = found.find(|object| object.kind() == "Deployment" && object.name() == *name);
                found.unwrap().at("/spec/replicas").clone()
            })
            .collect()
    };
    let fixed = render("order-food")
        .own_values("values-production.yaml")
        .set("workers.autoscaling.enabled=false")
        .objects();
    assert_eq!(replicas(&fixed.0), [json!(3), json!(5)]);
    assert_eq!(fixed.of("HorizontalPodAutoscaler").len(), 1, "that of the API");
    assert_eq!(replicas(&production().0), [json!(null), json!(null)]);
    let (_, applied) = places().remove(1);
    assert_eq!(replicas(&applied), [json!(3), json!(5)]);
}

#[test]
fn workers_are_off_by_default_and_both_pools_are_on_in_production() {
    assert_eq!(render("order-food").objects().of("Deployment").len(), 1);
    assert_eq!(production().of("Deployment").len(), 3);
    for (environment, pools) in [("dev", 1), ("staging", 1)] {
        let objects = render("order-food")
            .own_values(&format!("values-{environment}.yaml"))
            .objects();
        assert_eq!(objects.of("Deployment").len(), 1 + pools, "{environment}");
    }
}

#[test]
fn pods_of_workers_have_the_documented_labels_and_match_no_selector_of_the_api() {
    let objects = everything()
        .set("serviceMonitor.enabled=true")
        .set("podDisruptionBudget.enabled=true")
        .objects();
    let api = [
        ("Service", "/spec/selector"),
        ("Deployment", "/spec/selector/matchLabels"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ("ServiceMonitor", "/spec/selector/matchLabels"),
    ]
    .map(|(kind, pointer)| objects.named(kind, "order-food").at(pointer).clone());
    for (name, version) in [
        ("order-food-workers", "v1"),
        ("order-food-workers-critical", "v1"),
        ("order-food-workers-v2", "v2"),
    ] {
        let deployment = objects.named("Deployment", name);
        let pod = deployment.pod().unwrap();
        for (label, value) in [
            ("app.kubernetes.io/name", name),
            ("app.kubernetes.io/component", "workers"),
            ("app", "order-food"),
            ("component", "workers"),
            ("version", version),
        ] {
            assert_eq!(pod.labels[label], value, "{name}: {label}");
        }
        assert_eq!(pod.labels["tier"], "jobs");
        assert_eq!(pod.annotations["example.com/scrape"], "true");
        assert!(
            api.iter().all(|selector| !selects(selector, pod.labels)),
            "{name}"
        );
        // Each pool is chosen by its own objects alone.
        for (kind, pointer) in [
            ("Deployment", "/spec/selector/matchLabels"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ] {
            let choosing = objects.of(kind).into_iter();
            let choosing: Vec<&str> = choosing
                .filter(|object| selects(object.at(pointer), pod.labels))
                .map(Object::name)
                .collect();
            assert_eq!(choosing, [name], "{kind}");
        }
    }
    let monitor = objects.only("PodMonitor");
    monitor.has([
        ("/spec/podMetricsEndpoints/0/port", json!("http")),
        ("/spec/podMetricsEndpoints/0/path", json!("/q/metrics")),
    ]);
    let scraped = objects.of("Deployment").into_iter().filter(|deployment| {
        selects(
            monitor.at("/spec/selector/matchLabels"),
            deployment.pod().unwrap().labels,
        )
    });
    assert_eq!(scraped.count(), 3, "the pools, and not the API");
}

#[test]
fn a_worker_is_told_its_pool_its_priorities_and_every_setting() {
    let objects = everything().objects();
    let of = |name: &str| {
        objects
            .named("Deployment", name)
            .pod()
            .unwrap()
            .container("workers")
            .clone()
    };
    let (general, critical, next) = (
        of("order-food-workers"),
        of("order-food-workers-critical"),
        of("order-food-workers-v2"),
    );
    for container in [&general, &critical, &next] {
        assert_eq!(container["args"], json!(["worker"]));
        for (name, value) in [
            ("JOBS_SCHEDULER_ENABLED", "true"),
            ("JOBS_QUEUE_CAPACITY_CRITICAL", "2000"),
            ("WORKER_CONCURRENCY", "8"),
            ("WORKER_POOL_SIZE", "3"),
            ("WEBHOOK_ENDPOINT_CONCURRENCY", "4"),
            ("WEBHOOK_SWITCH_OFF_AFTER", "86400"),
            ("WAIT_TIMEOUT", "300"),
            ("SHUTDOWN_TIMEOUT", "25"),
            ("IDEMPOTENCY_SWEEP_IN", "workers"),
            ("REPORT_LOCATION", "s3://reports/shop"),
            ("AWS_ENDPOINT_URL", "https://s3.example.com"),
            ("LOG_LEVEL", "debug"),
        ] {
            assert_eq!(variable(container, name), value, "{name}");
        }
        for (probe, path) in [
            ("startupProbe", "/q/health/started"),
            ("livenessProbe", "/q/health/live"),
            ("readinessProbe", "/q/health/ready"),
        ] {
            assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "http"}));
        }
        let startup = &container["startupProbe"];
        let seconds =
            startup["periodSeconds"].as_i64().unwrap() * startup["failureThreshold"].as_i64().unwrap();
        assert!(seconds > 300, "killed while it waits for the schema");
    }
    assert!(
        variable(&general, "WORKER_PRIORITY_FILTER").is_null(),
        "all priorities"
    );
    assert_eq!(variable(&critical, "WORKER_PRIORITY_FILTER"), "CRITICAL,HIGH");
    assert_eq!(variable(&general, "WORKER_POOL"), "general");
    assert_eq!(variable(&critical, "WORKER_POOL"), "critical");
    assert_eq!(next["image"], "order-food:v2");
    assert_eq!(variable(&next, "SERVICE_VERSION"), "v2");

    let pods = |name: &str| objects.named("Deployment", name).pod().unwrap().spec.clone();
    assert_eq!(pods("order-food-workers")["priorityClassName"], "shop");
    assert_eq!(pods("order-food-workers-critical")["priorityClassName"], "urgent");
    assert_eq!(pods("order-food-workers")["terminationGracePeriodSeconds"], 40);
    let url = &pods("order-food-workers")["volumes"][0]["secret"];
    assert_eq!(url["items"], json!([{"key": "worker-url", "path": "url"}]));
    for constraint in pods("order-food-workers")["topologySpreadConstraints"]
        .as_array()
        .unwrap()
    {
        let labels = &constraint["labelSelector"]["matchLabels"];
        assert_eq!(labels["app.kubernetes.io/name"], "order-food-workers");
    }
}

#[test]
fn a_worker_is_killed_only_after_it_could_end_its_jobs() {
    everything()
        .set("workers.terminationGracePeriodSeconds=25")
        .refuses("is not above workers.shutdownTimeoutSeconds");
    render("order-food")
        .set("settings.idempotencySweepIn=workers")
        .refuses("workers remove nothing");
    everything()
        .set("metrics.enabled=false")
        .refuses("podMonitor.enabled");
}

#[test]
fn the_network_policy_lets_a_worker_reach_what_it_works_with() {
    let objects = everything().objects();
    for name in ["order-food-workers", "order-food-workers-critical"] {
        let policy = objects.named("NetworkPolicy", name);
        // DNS, database, telemetry, receivers.
        assert_eq!(policy.egress_ports(), [53, 6432, 4318, 443]);
        let from = json!({"kubernetes.io/metadata.name": "monitoring"});
        policy.has([
            ("/spec/ingress/0/ports/0/port", json!("http")),
            ("/spec/ingress/0/from/0/namespaceSelector/matchLabels", from),
        ]);
    }
}

#[test]
fn the_depth_of_the_queue_scales_as_an_external_metric_or_by_keda_but_never_both() {
    let objects = everything().objects();
    let depth = |name: &str| {
        let scaler = objects.named("HorizontalPodAutoscaler", name);
        scaler.list("/spec/metrics").last().unwrap()["external"].clone()
    };
    let target = json!({"type": "AverageValue", "averageValue": "100"});
    let general = depth("order-food-workers");
    assert_eq!(
        (&general["metric"], &general["target"]),
        (&json!({"name": "jobs_queue_depth"}), &target)
    );
    let critical = depth("order-food-workers-critical");
    assert_eq!(
        critical["metric"]["selector"],
        json!({"matchExpressions": [{"key": "priority", "operator": "In", "values": ["critical", "high"]}]})
    );
    everything()
        .set("workers.autoscaling.keda.enabled=true")
        .refuses("/workers/autoscaling");

    let keda = render("order-food").own_values("ci/workers-keda-values.yaml");
    let objects = keda.clone().objects();
    assert!(objects.of("HorizontalPodAutoscaler").is_empty());
    let triggers = json!([
        {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
        {"type": "postgresql", "metricType": "AverageValue", "authenticationRef": {"name": "order-food-workers"},
         "metadata": {"targetQueryValue": "100",
            "query": "SELECT count(*) FROM job WHERE state = 0 AND run_at <= now() AND priority IN (0, 1)"}}
    ]);
    objects.named("ScaledObject", "order-food-workers-critical").has([
        ("/spec/minReplicaCount", json!(3)),
        ("/spec/maxReplicaCount", json!(30)),
        ("/spec/triggers", triggers),
    ]);
    let secret = json!({"parameter": "connection", "name": "order-food-database", "key": "url"});
    let authentication = objects.only("TriggerAuthentication");
    authentication.has([("/spec/secretTargetRef/0", secret)]);
    let workers = objects.named("Deployment", "order-food-workers");
    workers.has([("/spec/replicas", json!(null))]);

    let prometheus = keda.set("workers.autoscaling.keda.trigger=prometheus").objects();
    assert!(prometheus.of("TriggerAuthentication").is_empty());
    let query = r#"sum(max by (kind, priority) (jobs_queue_depth{namespace="shop",priority=~"critical|high"})) or vector(0)"#;
    let critical = prometheus.named("ScaledObject", "order-food-workers-critical");
    critical.has([("/spec/triggers/1/metadata/query", json!(query))]);
}

#[test]
fn a_test_enqueues_a_job_as_a_worker_would_and_waits_for_it() {
    let objects = render("order-food").set("workers.enabled=true").objects();
    let test = objects.named("Pod", "order-food-test-jobs");
    let pod = test.pod().unwrap();
    assert_eq!(
        pod.container("jobs")["args"],
        json!(["jobs", "enqueue", "reporting.refresh", "--wait", "90s"])
    );
    assert_eq!(
        variable(pod.container("jobs"), "DATABASE_URL_FILE"),
        "/etc/order-food/database/url"
    );
    assert_eq!(test.at("/metadata/annotations")["helm.sh/hook"], "test");
}
