//! Names of objects: legal, distinct and stable.

use std::collections::BTreeSet;

use charts_tests::CHARTS;
use charts_tests::helm::render;
use serde_json::Value;

/// The longest name of a release that helm takes, and another one that differs at its end.
const LONGEST: [&str; 2] = [
    "a-release-with-the-longest-name-that-helm-takes-at-al",
    "a-release-with-the-longest-name-that-helm-takes-at-am",
];

#[test]
fn names_stay_legal_and_distinct_under_a_release_of_53_characters() {
    assert_eq!(LONGEST[0].len(), 53);
    let long = "nameOverride=a-name-for-the-chart-that-is-as-long-as-it-may-be-and-more";
    for (chart, values, more) in [
        ("database-migration", "ci/never-values.yaml", &[][..]),
        ("database-load", "ci/everything-values.yaml", &[]),
        ("order-food", "ci/everything-values.yaml", &[]),
        ("order-food", "ci/workers-values.yaml", &[]),
        ("order-food", "ci/workers-values.yaml", &[long]),
        ("postgres", "ci/default-values.yaml", &[]),
    ] {
        let mut names = BTreeSet::new();
        let rendering = render(chart).own_values(values).release(LONGEST[0]);
        for object in rendering.sets(more).objects().0 {
            let name = object.name();
            let most = if object.kind() == "CronJob" || object.kind() == "StatefulSet" {
                52
            } else {
                63
            };
            let what = format!("{} {name}", object.kind());
            assert!(name.len() <= most, "{what}: {} characters", name.len());
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(
                name.chars().all(legal)
                    && !name.ends_with('-')
                    && name.starts_with(|c: char| c.is_ascii_lowercase()),
                "{what}"
            );
            labels_are_short(object.at("/metadata/labels"), &what);
            if let Some(pod) = object.pod() {
                labels_are_short(pod.labels, &what);
            }
            assert!(names.insert(what.clone()), "{what} stands twice");
        }
        let deployments = names.iter().filter(|what| what.starts_with("Deployment "));
        if values == "ci/workers-values.yaml" {
            assert_eq!(deployments.count(), 4, "the API and three pools");
        }
    }
}

fn labels_are_short(labels: &Value, what: &str) {
    for (label, value) in labels.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap();
        assert!(
            value.len() <= 63 && !value.ends_with('-'),
            "{what}: {label}: {value}"
        );
    }
}

#[test]
fn releases_whose_long_names_differ_only_at_the_end_do_not_share_objects() {
    for chart in CHARTS {
        let names = LONGEST.map(|release| {
            let objects = render(chart).release(release).objects();
            // The development Secret and the init jobs have their names by contract.
            let names = objects.0.iter().filter(|object| {
                object.name() != "order-food-database" && !object.name().starts_with("order-food-init-")
            });
            names
                .map(|object| (object.kind().to_owned(), object.name().to_owned()))
                .collect::<BTreeSet<_>>()
        });
        assert!(names[0].is_disjoint(&names[1]), "{chart}: {names:?}");
    }
}

#[test]
fn a_release_named_like_the_chart_gives_objects_its_name() {
    for (chart, release, kind, name) in [
        ("database-load", "database-load", "CronJob", "database-load"),
        ("order-food", "order-food", "Deployment", "order-food"),
        ("order-food", "order-food", "Service", "order-food"),
        ("postgres", "postgres", "StatefulSet", "postgres"),
        ("order-food", "eu", "Service", "eu-order-food"),
    ] {
        let objects = render(chart).release(release).objects();
        assert_eq!(objects.only(kind).name(), name, "{chart} as {release}");
    }
    let named = render("order-food").set("fullnameOverride=shop").objects();
    assert_eq!(named.only("Deployment").name(), "shop");
}

#[test]
fn an_upgrade_never_changes_a_job_that_is_there() {
    for (chart, other) in [
        ("database-load", "job.backoffLimit=1"),
        ("database-migration", "args={validate}"),
    ] {
        let on = render(chart).set("job.enabled=true");
        let before = on.objects();
        let again = on.clone().objects();
        let changed = on.set(other).objects();
        let name = |objects: &charts_tests::helm::Objects| objects.only("Job").name().to_owned();
        assert_eq!(name(&before), name(&again), "{chart}");
        assert_ne!(
            name(&before),
            name(&changed),
            "{chart}: the spec of a Job cannot be changed"
        );
    }
}
