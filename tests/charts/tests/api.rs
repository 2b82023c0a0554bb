//! The chart order-food: Deployment, scaling, traffic, settings and tests.

use charts_tests::helm::render;
use charts_tests::object::variable;
use charts_tests::repository;
use serde_json::json;

use crate::everything;

#[test]
fn migration_and_load_run_before_the_api_in_this_order() {
    let objects = render("order-food").objects();
    let deployment = objects.only("Deployment");
    let names = |list: &str| -> Vec<String> {
        let containers = deployment.list(&format!("/spec/template/spec/{list}"));
        containers
            .iter()
            .map(|container| container["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("initContainers"), ["database-migration", "database-load"]);
    assert_eq!(names("containers"), ["order-food"]);
    let alone = render("order-food")
        .own_values("ci/api-alone-values.yaml")
        .objects();
    assert!(
        alone
            .only("Deployment")
            .at("/spec/template/spec/initContainers")
            .is_null()
    );
}

#[test]
fn a_roll_out_never_has_fewer_pods_and_is_reported_when_it_hangs() {
    let objects = render("order-food").objects();
    let deployment = objects.only("Deployment");
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    deployment.has([("/spec/strategy", strategy)]);
    let other = render("order-food").set("strategy.type=Recreate").objects();
    let recreate = json!({"type": "Recreate"});
    other.only("Deployment").has([("/spec/strategy", recreate)]);
    // The init containers may take 300 and 900 seconds.
    assert!(deployment.at("/spec/progressDeadlineSeconds").as_i64().unwrap() > 1200);
    let own = render("order-food").set("progressDeadlineSeconds=77").objects();
    own.only("Deployment")
        .has([("/spec/progressDeadlineSeconds", json!(77))]);
}

#[test]
fn the_number_of_pods_is_the_autoscalers_where_there_is_one() {
    let fixed = render("order-food").set("replicaCount=4").objects();
    assert_eq!(fixed.only("Deployment").at("/spec/replicas"), 4);
    assert!(fixed.of("HorizontalPodAutoscaler").is_empty());

    let scaled = render("order-food").set("autoscaling.enabled=true").objects();
    assert!(scaled.only("Deployment").at("/spec").get("replicas").is_none());
    let autoscaler = scaled.only("HorizontalPodAutoscaler");
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "order-food"});
    autoscaler.has([
        ("/apiVersion", json!("autoscaling/v2")),
        ("/spec/scaleTargetRef", target),
        ("/spec/minReplicas", json!(2)),
        ("/spec/maxReplicas", json!(5)),
        ("/spec/behavior/scaleDown/stabilizationWindowSeconds", json!(300)),
    ]);
    assert_eq!(autoscaler.list("/spec/metrics").len(), 1);
    let everything = everything().objects();
    let metrics = everything.only("HorizontalPodAutoscaler").list("/spec/metrics");
    assert_eq!(metrics.len(), 3);
}

#[test]
fn a_budget_for_disruptions_exists_only_for_more_than_one_pod() {
    for (assignments, budgets) in [
        ("replicaCount=1", 0),
        ("replicaCount=2", 1),
        ("replicaCount=2 podDisruptionBudget.enabled=false", 0),
        (
            "replicaCount=1 autoscaling.enabled=true autoscaling.minReplicas=2",
            1,
        ),
        (
            "replicaCount=5 autoscaling.enabled=true autoscaling.minReplicas=1",
            0,
        ),
    ] {
        let values: Vec<&str> = assignments.split(' ').collect();
        let found = render("order-food").sets(&values).objects();
        assert_eq!(found.of("PodDisruptionBudget").len(), budgets, "{assignments}");
    }
    let objects = render("order-food").objects();
    objects.only("PodDisruptionBudget").has([
        ("/spec/maxUnavailable", json!(1)),
        ("/spec/minAvailable", json!(null)),
    ]);
}

#[test]
fn a_pod_is_killed_only_after_the_whole_drain() {
    for (assignments, grace) in [
        (&[][..], 35),
        (&["drain.waitSeconds=30", "drain.shutdownTimeoutSeconds=60"], 100),
        (&["terminationGracePeriodSeconds=26"], 26),
    ] {
        let objects = render("order-food").sets(assignments).objects();
        let pod = objects.pod("Deployment");
        let container = pod.container("order-food");
        let seconds = |name| -> i64 { variable(container, name).as_str().unwrap().parse().unwrap() };
        assert_eq!(pod.spec["terminationGracePeriodSeconds"], grace);
        assert!(
            grace > seconds("DRAIN_WAIT") + seconds("SHUTDOWN_TIMEOUT"),
            "{assignments:?}"
        );
        // The drain is the process's own.
        assert!(container["lifecycle"].is_null());
    }
    render("order-food")
        .set("terminationGracePeriodSeconds=25")
        .refuses("is not above drain");
}

#[test]
fn the_probes_ask_for_life_and_readiness() {
    let objects = render("order-food").objects();
    let pod = objects.pod("Deployment");
    let container = pod.container("order-food");
    for (probe, path) in [
        ("startupProbe", "/health"),
        ("livenessProbe", "/health"),
        ("readinessProbe", "/ready"),
    ] {
        assert_eq!(
            container[probe]["httpGet"],
            json!({"path": path, "port": "http"}),
            "{probe}"
        );
    }
    assert_eq!(
        container["ports"],
        json!([{"name": "http", "containerPort": 8080, "protocol": "TCP"}])
    );
    assert_eq!(variable(container, "PORT"), "8080");
}

#[test]
fn the_service_leads_from_port_80_to_8080() {
    let port = json!({"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"});
    render("order-food")
        .objects()
        .only("Service")
        .has([("/spec/ports/0", port), ("/spec/type", json!("ClusterIP"))]);
    everything().objects().of("Service")[0].has([
        ("/spec/type", json!("LoadBalancer")),
        ("/spec/ports/0/port", json!(8081)),
        ("/spec/ports/0/nodePort", json!(30080)),
        ("/spec/externalTrafficPolicy", json!("Local")),
    ]);
}

#[test]
fn the_console_has_a_service_of_its_own_and_no_ingress() {
    let off = render("order-food").objects();
    let off = off.only("Deployment").0.to_string();
    assert!(!off.contains("CONSOLE_PORT"));
    let objects = everything().objects();
    let console = objects.of("Service")[1];
    assert!(console.name().ends_with("-console"));
    let port = json!({"name": "console", "port": 9081, "targetPort": "console", "protocol": "TCP"});
    console.has([("/spec/type", json!("ClusterIP")), ("/spec/ports/0", port)]);
    for kind in ["Ingress", "HTTPRoute"] {
        for route in objects.of(kind) {
            assert!(!route.0.to_string().contains("console"), "{kind}");
        }
    }
    let rules = objects.of("NetworkPolicy")[0].at("/spec/ingress").to_string();
    assert!(
        rules.contains(r#""port":"console""#) && rules.contains("operators"),
        "{rules}"
    );
}

#[test]
fn the_ingress_serves_tls_and_keeps_metrics_inside() {
    assert!(render("order-food").objects().of("Ingress").is_empty());
    let objects = everything().objects();
    let tls = json!([{"secretName": "shop-tls", "hosts": ["shop.example.com"]}]);
    let path = json!({"path": "/api", "pathType": "Prefix", "backend": {"service": {"name": "order-food", "port": {"name": "http"}}}});
    objects.only("Ingress").has([
        ("/spec/ingressClassName", json!("nginx")),
        ("/spec/tls", tls),
        ("/spec/rules/0/http/paths/0", path),
    ]);
    let default = render("order-food").set("ingress.enabled=true").objects();
    let paths = default.only("Ingress").list("/spec/rules/0/http/paths");
    for path in paths {
        // The storefront's own path leads to nothing below it.
        let is_menu = path["path"] == "/" && path["pathType"] == "Exact";
        let inside = ["/", "/metrics", "/health", "/ready"];
        assert!(
            is_menu || !inside.contains(&path["path"].as_str().unwrap()),
            "{path}"
        );
    }
    // What lets the header through is said where the switch is.
    let values = std::fs::read_to_string(repository().join("charts/order-food/values.yaml")).unwrap();
    assert!(values.contains("enable-underscores-in-headers") && values.contains("X-API-Key"));
}

#[test]
fn the_gateway_route_leads_to_the_service() {
    let backend = json!([{"name": "order-food", "port": 8081, "weight": 1}]);
    everything().objects().only("HTTPRoute").has([
        ("/spec/rules/0/backendRefs", backend),
        ("/spec/rules/0/matches/0/path/value", json!("/api")),
        ("/spec/rules/0/filters/0/type", json!("ResponseHeaderModifier")),
    ]);
}

#[test]
fn pods_spread_over_nodes_and_zones() {
    let objects = render("order-food").objects();
    let deployment = objects.only("Deployment");
    let constraints = deployment.list("/spec/template/spec/topologySpreadConstraints");
    let keys: Vec<_> = constraints
        .iter()
        .map(|constraint| constraint["topologyKey"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
    for constraint in constraints {
        assert_eq!(constraint["labelSelector"], *deployment.at("/spec/selector"));
        assert_eq!(constraint["whenUnsatisfiable"], "ScheduleAnyway");
    }
}

#[test]
fn the_network_policy_names_every_allowed_connection() {
    let objects = everything().objects();
    let policy = objects.only("NetworkPolicy");
    let from = json!({"kubernetes.io/metadata.name": "ingress-nginx"});
    policy.has([
        ("/spec/policyTypes", json!(["Ingress", "Egress"])),
        ("/spec/ingress/0/from/0/namespaceSelector/matchLabels", from),
        ("/spec/egress/1/to/0/ipBlock/cidr", json!("10.1.0.0/16")),
    ]);
    assert_eq!(policy.egress_ports(), [53, 5432, 4318, 443]);

    let open = render("order-food")
        .set("networkPolicy.enabled=true")
        .set("networkPolicy.egress.enabled=false")
        .objects();
    open.only("NetworkPolicy").has([
        ("/spec/policyTypes", json!(["Ingress"])),
        // Empty: everybody.
        ("/spec/ingress/0/from", json!(null)),
    ]);
}

#[test]
fn what_pods_read_at_start_is_part_of_their_revision() {
    let annotations = |assignments: &[&str]| {
        let objects = render("order-food").sets(assignments).objects();
        objects.pod("Deployment").annotations.clone()
    };
    let (before, after) = (
        annotations(&[]),
        annotations(&["database.url=postgres://u:p@h/d"]),
    );
    assert_ne!(before["checksum/secret"], after["checksum/secret"]);
    let source = [
        "initContainers.databaseLoad.sources[0].dataset=products",
        "initContainers.databaseLoad.sources[0].url=https://x.example/p.csv",
    ];
    assert_ne!(
        before["checksum/sources"],
        annotations(&source)["checksum/sources"]
    );
    assert_eq!(before["checksum/sources"], after["checksum/sources"]);
}

#[test]
fn the_tests_list_the_products_and_place_an_order_that_they_read_back() {
    let objects = render("order-food").objects();
    let test = |name: &str| objects.named("Pod", &format!("order-food-test-{name}")).clone();
    for name in ["list", "order"] {
        assert_eq!(test(name).at("/metadata/annotations")["helm.sh/hook"], "test");
    }
    let list = json!(["health", "--url", "http://order-food:80/api/product"]);
    test("list").has([("/spec/containers/0/args", list)]);
    let order = json!([
        "try-order",
        "--url",
        "http://order-food:80",
        "--api-key",
        "apitest"
    ]);
    test("order").has([("/spec/containers/0/args", order)]);

    let secret = everything().objects();
    secret.named("Pod", "order-food-test-order").has([
        ("/spec/containers/0/args/3", json!("--api-key-file")),
        ("/spec/volumes/0/secret/secretName", json!("test-key")),
    ]);
    let production = render("order-food")
        .own_values("values-production.yaml")
        .objects();
    let names: Vec<_> = production.of("Pod").into_iter().map(|pod| pod.name()).collect();
    assert_eq!(
        names,
        ["order-food-test-jobs", "order-food-test-list"],
        "no order in production"
    );
    let address = render("order-food").set("service.clusterIP=10.96.0.80").objects();
    let address = address.named("Pod", "order-food-test-list").clone();
    address.has([(
        "/spec/containers/0/args/2",
        json!("http://10.96.0.80:80/api/product"),
    )]);
}

#[test]
fn the_monitor_scrapes_the_service_and_no_test() {
    let objects = everything().objects();
    let monitor = objects.only("ServiceMonitor");
    monitor.has([
        ("/apiVersion", json!("monitoring.coreos.com/v1")),
        ("/metadata/labels/release", json!("prometheus")),
        ("/spec/endpoints/0/port", json!("http")),
        ("/spec/endpoints/0/path", json!("/metrics")),
        ("/spec/endpoints/0/interval", json!("15s")),
    ]);
    let selector = monitor.at("/spec/selector/matchLabels");
    let services = objects.of("Service");
    let chosen = services
        .iter()
        .map(|service| charts_tests::object::selects(selector, service.at("/metadata/labels")));
    assert_eq!(
        chosen.collect::<Vec<_>>(),
        [true, false],
        "the API and not the console"
    );
    everything()
        .set("metrics.enabled=false")
        .refuses("serviceMonitor.enabled");
}
