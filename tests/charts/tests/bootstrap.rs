//! The bootstrap Jobs: names, order, steps, and the manifests that are written from them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use charts_tests::bootstrap::{OVERLAYS, WHOLE, files, jobs, whole};
use charts_tests::helm::Objects;
use charts_tests::manifests::path;
use charts_tests::object::{Object, Pod, variable};
use charts_tests::{KUBERNETES, tool};
use serde_json::{Value, json};

use crate::schema::Schemas;

const TWO: &str = r#"initJobs.seedData.profiles=["default","/data/menu/Shop.toml"]"#;

/// The Jobs of two profiles, of which the second needs the first.
fn two_profiles() -> Objects {
    jobs()
        .json(TWO)
        .json(r#"bootstrap.needs={"/data/menu/Shop.toml":["default"]}"#)
        .objects()
}

/// The arguments of each container, in the order in which they run.
fn arguments(pod: &Pod) -> Vec<(String, String)> {
    let words = |container: &Value| {
        let words: Vec<&str> = container["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        (container["name"].as_str().unwrap().to_owned(), words.join(" "))
    };
    pod.containers().into_iter().map(words).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, words): &(&str, &str)| ((*name).to_owned(), (*words).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn each_job_has_a_stable_name_and_says_what_it_needs() {
    let objects = two_profiles();
    let menu = "order-food-bootstrap-data-menu-shop-toml";
    let needs: Vec<(&str, &Value)> = objects
        .of("Job")
        .into_iter()
        .map(|job| (job.name(), job.at("/metadata/annotations/order-food~1needs")))
        .collect();
    assert_eq!(
        needs,
        [
            ("order-food-bootstrap", &Value::Null),
            ("order-food-bootstrap-all", &Value::Null),
            ("order-food-bootstrap-base", &Value::Null),
            (
                "order-food-bootstrap-default",
                &json!("order-food-bootstrap-base")
            ),
            (
                menu,
                &json!("order-food-bootstrap-base,order-food-bootstrap-default")
            ),
        ]
    );
    for job in objects.of("Job") {
        job.has([
            ("/spec/ttlSecondsAfterFinished", json!(3600)),
            ("/spec/backoffLimit", json!(3)),
            ("/spec/template/spec/restartPolicy", json!("OnFailure")),
            ("/metadata/namespace", json!("order-food")),
        ]);
    }
    let twice = jobs().json(TWO).set("bootstrap.suffix=20260101-000000").objects();
    let job = twice.named("Job", "order-food-bootstrap-default-20260101-000000");
    assert_eq!(
        *job.at("/metadata/annotations/order-food~1needs"),
        "order-food-bootstrap-base-20260101-000000"
    );
}

#[test]
fn the_steps_are_the_schema_and_then_the_profiles() {
    let objects = two_profiles();
    let steps = |name: &str| arguments(&objects.named("Job", name).pod().unwrap());
    let up = ("database-migration", "up --timeout=3600");
    assert_eq!(
        steps("order-food-bootstrap"),
        pairs(&[
            up,
            (
                "database-load",
                "run -p default -p /data/menu/Shop.toml --timeout=900"
            )
        ])
    );
    assert_eq!(
        steps("order-food-bootstrap-all"),
        pairs(&[
            up,
            ("load-default", "run -p default --timeout=900"),
            (
                "load-data-menu-shop-toml",
                "run -p /data/menu/Shop.toml --timeout=900"
            ),
        ])
    );
    assert_eq!(steps("order-food-bootstrap-base"), pairs(&[up]));
    assert_eq!(
        steps("order-food-bootstrap-default"),
        pairs(&[("database-load", "run -p default --timeout=900")])
    );

    let dry = jobs().set("bootstrap.dryRun=true").objects();
    for job in dry.of("Job") {
        for (container, words) in arguments(&job.pod().unwrap()) {
            assert!(words.starts_with("plan "), "{container}: {words}");
        }
        assert_eq!(*job.at("/spec/backoffLimit"), 0);
    }
}

#[test]
fn what_cannot_be_ordered_or_named_is_refused() {
    for (values, complaint) in [
        (
            r#"initJobs.seedData.profiles=["a/b","a_b"]"#,
            "a_b would be the second bootstrap Job",
        ),
        (
            r#"initJobs.seedData.profiles=["base"]"#,
            "base would be the second",
        ),
        (r#"bootstrap.needs={"default":["menu"]}"#, "menu is not among"),
        (
            r#"bootstrap.suffix="a-suffix-that-makes-the-name-of-the-job-much-too-long""#,
            "at most 63 characters",
        ),
        (r#"bootstrap.suffix="Upper""#, "/bootstrap/suffix"),
    ] {
        jobs().json(values).refuses(complaint);
    }
    let release = charts_tests::helm::render("init-jobs").objects();
    assert!(release.of("Job").is_empty(), "a release has none by default");
}

#[test]
fn the_manifests_are_those_that_the_chart_makes() {
    let mut names = BTreeSet::new();
    for (path, expected) in files() {
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written, expected, "{}: type: make charts", path.display());
        names.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    for name in ["", "-all", "-base", "-default"] {
        assert!(
            names.contains(&format!("{WHOLE}{name}-job.yaml")),
            "{name}: {names:?}"
        );
    }
    let link = fs::read_to_string(path("bootstrap/order-food-bootstrap-job.yaml")).unwrap();
    let rendered = jobs().objects();
    let mut expected = rendered.named("Job", WHOLE).clone();
    without_helm(&mut expected);
    assert_eq!(Object::parse(&link), [expected]);
}

#[test]
fn an_overlay_is_the_job_with_the_values_of_its_environment() {
    for (overlay, values) in OVERLAYS {
        let output = Command::new(tool("kustomize"))
            .arg("build")
            .arg(path(&format!("bootstrap/overlays/{overlay}")))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let built = Object::parse(&String::from_utf8(output.stdout).unwrap());
        let mut kinds: Vec<&str> = built.iter().map(Object::kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["Job", "NetworkPolicy"], "{overlay}");
        let job = built.iter().find(|object| object.kind() == "Job").unwrap();
        assert_eq!(*job, whole(values), "{overlay}");
        for kubernetes in KUBERNETES {
            let mut schemas = Schemas::of(kubernetes);
            for object in &built {
                assert_eq!(schemas.complaints(object).unwrap(), Vec::<String>::new());
            }
        }
    }
    let production = whole("values-production.yaml");
    let pod = production.pod().unwrap();
    assert_eq!(*variable(pod.container("database-load"), "ENVIRONMENT"), "prod");
    assert_eq!(pod.spec["restartPolicy"], "Never");
    let steps = arguments(&pod);
    assert_eq!(steps[1].1, "run -p minimal --timeout=900");
    let overlay = fs::read_to_string(path("bootstrap/overlays/prod/kustomization.yaml")).unwrap();
    assert!(overlay.contains("name profiles of your own"), "{overlay}");
}

fn without_helm(object: &mut Object) {
    for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
        let labels = object.0.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        labels.remove("helm.sh/chart");
        labels.remove("app.kubernetes.io/managed-by");
    }
}
