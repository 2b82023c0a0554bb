//! Every rendering passes lint and the schemas of Kubernetes.

use std::collections::BTreeSet;
use std::thread;

use charts_tests::helm::{lint, render};
use charts_tests::object::Object;
use charts_tests::{CHARTS, KUBERNETES, SERVICES, repository, values_files};
use serde_json::json;

use crate::schema::Schemas;

#[test]
fn every_chart_passes_lint_strict_with_all_values_that_come_with_it() {
    thread::scope(|scope| {
        for kubernetes in KUBERNETES {
            scope.spawn(move || {
                for chart in CHARTS {
                    for file in values_files(chart, "ci", "") {
                        lint(chart, kubernetes, &file)
                            .unwrap_or_else(|complaint| panic!("{}: {complaint}", file.display()));
                    }
                }
            });
        }
    });
}

#[test]
fn the_folder_helm_of_each_service_is_its_chart() {
    for service in SERVICES {
        let folder = repository().join(service).join("helm");
        let link = std::fs::read_link(&folder).unwrap();
        assert!(
            link.is_relative(),
            "a clone elsewhere follows it, too: {}",
            link.display()
        );

        let rendered = render(service).chart_at(&folder).text().unwrap();
        assert_eq!(rendered, render(service).text().unwrap(), "{service}");
    }
}

#[test]
fn every_object_is_valid_for_three_kubernetes_versions() {
    let checked = thread::scope(|scope| {
        let runs: Vec<_> = KUBERNETES
            .into_iter()
            .map(|version| scope.spawn(move || check(version)))
            .collect();
        runs.into_iter()
            .map(|run| run.join().unwrap())
            .fold((0, 0), |sum, (valid, custom)| (sum.0 + valid, sum.1 + custom))
    });
    println!(
        "{} objects are valid, {} are of others' kinds",
        checked.0, checked.1
    );
    assert!(checked.0 > 300 && checked.1 > 0, "{checked:?}");
}

/// How many objects are valid, and how many are not Kubernetes' own.
fn check(kubernetes: &str) -> (usize, usize) {
    let mut schemas = Schemas::of(kubernetes);
    let (mut valid, mut custom) = (0, 0);
    for chart in CHARTS {
        let files = [values_files(chart, "ci", ""), values_files(chart, "", "values-")].concat();
        for file in files {
            let objects = render(chart).values(&file).kubernetes(kubernetes).objects();
            let mut names = BTreeSet::new();
            for object in &objects.0 {
                let what = format!("{} {} of {}", object.kind(), object.name(), file.display());
                assert!(
                    names.insert((object.kind(), object.name())),
                    "{what} stands twice"
                );
                match schemas.complaints(object) {
                    Some(complaints) => {
                        assert!(complaints.is_empty(), "{what} for {kubernetes}: {complaints:?}");
                        valid += 1;
                    }
                    None => custom += 1,
                }
            }
        }
    }
    (valid, custom)
}

#[test]
fn the_manifest_of_jaeger_is_valid_confined_and_without_service_links() {
    let text = std::fs::read_to_string(repository().join("deploy/kubernetes/jaeger.yaml")).unwrap();
    let objects = Object::parse(&text);
    for kubernetes in KUBERNETES {
        let mut schemas = Schemas::of(kubernetes);
        for object in &objects {
            assert_eq!(
                schemas.complaints(object).unwrap(),
                Vec::<String>::new(),
                "{}",
                object.kind()
            );
        }
    }
    let [deployment, service] = &objects[..] else {
        panic!("a Deployment and a Service")
    };
    let pod = deployment.pod().unwrap();
    assert_eq!(pod.spec["enableServiceLinks"], false);
    assert_eq!(pod.spec["securityContext"]["runAsNonRoot"], true);
    let security = &pod.container("jaeger")["securityContext"];
    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    // What `make deploy OBSERVABILITY=1` tells the pods: http://jaeger:4318/v1/traces.
    assert_eq!(
        (service.name(), service.at("/spec/ports/0/port")),
        ("jaeger", &json!(4318))
    );
}

#[test]
fn the_schemas_refuse_unknown_fields_and_wrong_types() {
    let mut schemas = Schemas::of(KUBERNETES[1]);
    let deployment = render("order-food").objects().only("Deployment").0.clone();
    for (pointer, value) in [
        (
            "/spec/template/spec/containers/0",
            json!({"name": "x", "imagePulPolicy": "Never"}),
        ),
        ("/spec/template/spec/enableServiceLinks", json!("false")),
        ("/spec/strategy", json!({"type": "RollingUpdate", "maxSurge": 1})),
    ] {
        let mut broken = deployment.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        let complaints = schemas.complaints(&Object(broken)).unwrap();
        assert!(!complaints.is_empty(), "{pointer}");
    }
}
