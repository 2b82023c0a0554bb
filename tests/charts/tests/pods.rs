//! Every pod of every rendering: security, resources, labels, images and variables.

use charts_tests::helm::render;
use charts_tests::object::{Pod, selects, variable};
use serde_json::{Value, json};

use crate::{all_renderings, everything};

/// Calls `look` with each pod of each rendering.
fn each_pod(look: impl Fn(&str, &Pod<'_>)) {
    let mut seen = 0;
    for (rendering, objects) in all_renderings() {
        for object in &objects.0 {
            if let Some(pod) = object.pod() {
                look(&format!("{rendering}: {}", pod.of), &pod);
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen} pods");
}

#[test]
fn every_container_keeps_to_the_restricted_pod_security_standard() {
    each_pod(|what, pod| {
        let security = &pod.spec["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{what}");
        assert_ne!(security["runAsUser"], 0, "{what}");
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{what}");
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod.spec[field].is_null(), "{what}: {field}");
        }
        for container in pod.containers() {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{what}: {container}");
            assert_eq!(
                security["capabilities"],
                json!({"drop": ["ALL"]}),
                "{what}: {container}"
            );
            assert_eq!(security["readOnlyRootFilesystem"], true, "{what}: {container}");
            assert!(security["privileged"].is_null(), "{what}: {container}");
            for port in container["ports"].as_array().into_iter().flatten() {
                assert!(port["hostPort"].is_null(), "{what}: {container}");
            }
        }
        for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
            let allowed = [
                "configMap",
                "emptyDir",
                "persistentVolumeClaim",
                "projected",
                "secret",
            ];
            assert!(
                allowed.iter().any(|kind| !volume[kind].is_null()),
                "{what}: {volume}"
            );
        }
    });
}

#[test]
fn every_container_has_resources_and_a_pull_policy() {
    each_pod(|what, pod| {
        for container in pod.containers() {
            for amount in [
                "/resources/requests/cpu",
                "/resources/requests/memory",
                "/resources/limits/memory",
            ] {
                assert!(
                    container.pointer(amount).is_some(),
                    "{what}: {amount} of {}",
                    container["name"]
                );
            }
            let ours = !container["image"]
                .as_str()
                .unwrap()
                .starts_with("registry.example.com/");
            assert!(
                !ours || container["imagePullPolicy"].is_string(),
                "{what}: {}",
                container["name"]
            );
        }
    });
}

#[test]
fn no_pod_gets_a_token_or_the_addresses_of_services() {
    each_pod(|what, pod| {
        assert_eq!(pod.spec["automountServiceAccountToken"], false, "{what}");
        assert_eq!(pod.spec["enableServiceLinks"], false, "{what}");
        assert!(pod.spec["serviceAccountName"].is_string(), "{what}");
    });
    for (rendering, objects) in all_renderings() {
        for account in objects.of("ServiceAccount") {
            assert_eq!(account.at("/automountServiceAccountToken"), false, "{rendering}");
        }
    }
}

#[test]
fn every_container_of_the_services_knows_its_pods_uid() {
    each_pod(|what, pod| {
        for container in pod.containers() {
            let name = container["name"].as_str().unwrap();
            if ["database-migration", "database-load", "order-food"].contains(&name) {
                let uid = &variable(container, "POD_UID")["fieldRef"]["fieldPath"];
                assert_eq!(uid, "metadata.uid", "{what}: {name}");
                assert!(
                    variable(container, "SERVICE_VERSION").is_string(),
                    "{what}: {name}"
                );
            }
        }
    });
}

#[test]
fn every_object_and_pod_has_the_recommended_labels() {
    for (rendering, objects) in all_renderings() {
        for object in &objects.0 {
            if object.name().ends_with("-extra") {
                continue;
            }
            let mut labels = vec![object.at("/metadata/labels")];
            labels.extend(object.pod().map(|pod| pod.labels));
            if object.kind() == "CronJob" {
                labels.push(object.at("/spec/jobTemplate/metadata/labels"));
            }
            for labels in labels {
                for label in [
                    "name",
                    "instance",
                    "version",
                    "component",
                    "part-of",
                    "managed-by",
                ] {
                    let value = &labels[format!("app.kubernetes.io/{label}")];
                    assert!(
                        value.is_string(),
                        "{rendering}: {} {}: {label}",
                        object.kind(),
                        object.name()
                    );
                }
                assert!(labels["helm.sh/chart"].is_string(), "{rendering}");
            }
        }
    }
}

#[test]
fn common_labels_are_everywhere_and_never_replace_the_charts_own() {
    let rendering = render("order-food")
        .set("commonLabels.team=shop")
        .set(r"commonLabels.app\.kubernetes\.io/name=other")
        .objects();
    for object in &rendering.0 {
        assert_eq!(object.at("/metadata/labels/team"), "shop", "{}", object.kind());
        if let Some(pod) = object.pod() {
            assert_eq!(pod.labels["team"], "shop");
            assert!(
                pod.labels["app.kubernetes.io/name"]
                    .as_str()
                    .unwrap()
                    .starts_with("order-food")
            );
        }
    }
}

#[test]
fn pods_of_tests_and_jobs_are_never_chosen_by_a_selector() {
    let selectors = |objects: &charts_tests::helm::Objects| -> Vec<Value> {
        let pointers = [
            ("Service", "/spec/selector"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels"),
            ("Deployment", "/spec/selector/matchLabels"),
            ("StatefulSet", "/spec/selector/matchLabels"),
        ];
        let found = pointers.iter().flat_map(|(kind, pointer)| {
            objects
                .of(kind)
                .into_iter()
                .map(|object| object.at(pointer).clone())
        });
        found.collect()
    };
    // Under one name of release, the worst case, and as they are deployed.
    for release in ["shop", ""] {
        let objects: Vec<_> = [
            ("database-migration", "ci/default-values.yaml"),
            ("database-load", "ci/everything-values.yaml"),
            ("order-food", "ci/everything-values.yaml"),
            ("postgres", "ci/default-values.yaml"),
        ]
        .into_iter()
        .map(|(chart, values)| {
            let rendering = render(chart).own_values(values);
            if release.is_empty() {
                rendering
            } else {
                rendering.release(release)
            }
            .objects()
        })
        .collect();
        let selectors: Vec<Value> = objects.iter().flat_map(&selectors).collect();
        assert_eq!(selectors.len(), 7);
        let mut served = 0;
        for object in objects.iter().flat_map(|objects| &objects.0) {
            let Some(pod) = object.pod() else { continue };
            let chosen = selectors.iter().any(|selector| selects(selector, pod.labels));
            let serves = ["Deployment", "StatefulSet"].contains(&object.kind());
            assert_eq!(chosen, serves, "{} {}", object.kind(), object.name());
            served += usize::from(serves);
        }
        assert_eq!(served, 2);
    }
}

#[test]
fn a_digest_goes_before_the_tag_and_the_app_version_stands_in_for_both() {
    let image = |assignments: &[&str]| {
        let rendering = render("order-food").sets(assignments);
        let objects = rendering.objects();
        let pod = objects.pod("Deployment");
        ["database-migration", "database-load", "order-food"]
            .map(|name| pod.container(name)["image"].as_str().unwrap().to_owned())
    };
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    assert_eq!(
        image(&[]),
        [
            "database-migration:0.1.0",
            "database-load:0.1.0",
            "order-food:0.1.0"
        ]
    );
    let tagged = image(&[
        "image.tag=a1",
        "initContainers.databaseMigration.image.tag=b2",
        "initContainers.databaseLoad.image.tag=c3",
    ]);
    assert_eq!(
        tagged,
        ["database-migration:b2", "database-load:c3", "order-food:a1"]
    );
    let digests = image(&[
        "image.tag=a1",
        &format!("image.digest={digest}"),
        &format!("initContainers.databaseLoad.image.digest={digest}"),
    ]);
    assert_eq!(digests[2], format!("order-food@{digest}"));
    assert_eq!(digests[1], format!("database-load@{digest}"));
}

#[test]
fn variables_of_ones_own_replace_the_charts() {
    let objects = render("order-food")
        .json(r#"extraEnv=[{"name":"POOL_SIZE","value":"3"},{"name":"LOG_FORMAT","value":"text"},{"name":"MORE","value":"yes"}]"#)
        .objects();
    let pod = objects.pod("Deployment");
    // `variable` panics when a name stands twice.
    let container = pod.container("order-food");
    assert_eq!(variable(container, "POOL_SIZE"), "3");
    assert_eq!(variable(container, "LOG_FORMAT"), "text");
    assert_eq!(variable(container, "MORE"), "yes");
    assert_eq!(variable(pod.container("database-load"), "LOG_FORMAT"), "json");
}

#[test]
fn telemetry_goes_where_the_values_say_from_every_container() {
    let objects = everything().objects();
    let pod = objects.pod("Deployment");
    for name in ["database-migration", "database-load", "order-food"] {
        let container = pod.container(name);
        assert_eq!(
            variable(container, "JAEGER_ENDPOINT"),
            "http://collector:4318/v1/traces"
        );
        assert_eq!(
            variable(container, "OTEL_TRACES_SAMPLER"),
            "parentbased_traceidratio"
        );
        assert_eq!(variable(container, "OTEL_TRACES_SAMPLER_ARG"), "0.1");
    }
    let default = render("order-food").objects();
    let pod = default.pod("Deployment");
    assert_eq!(variable(pod.container("order-food"), "JAEGER_ENDPOINT"), "none");
}

#[test]
fn pods_run_where_and_as_what_the_values_say() {
    for (chart, kind) in [
        ("order-food", "Deployment"),
        ("database-load", "CronJob"),
        ("database-migration", "Job"),
        ("postgres", "StatefulSet"),
    ] {
        let objects = render(chart)
            .set("nodeSelector.disk=fast")
            .json(r#"tolerations=[{"key":"shop","operator":"Exists"}]"#)
            .json(r#"affinity={"podAffinity":{}}"#)
            .json(r#"imagePullSecrets=[{"name":"registry"}]"#)
            .set("podAnnotations.note=yes")
            .set("podLabels.tier=web")
            .set("priorityClassName=shop")
            .set("serviceAccount.create=false")
            .set("serviceAccount.name=mine")
            .objects();
        let pod = objects.of(kind)[0].pod().unwrap();
        assert_eq!(pod.spec["nodeSelector"], json!({"disk": "fast"}), "{chart}");
        assert_eq!(
            pod.spec["tolerations"],
            json!([{"key": "shop", "operator": "Exists"}]),
            "{chart}"
        );
        assert_eq!(pod.spec["affinity"], json!({"podAffinity": {}}), "{chart}");
        assert_eq!(
            pod.spec["imagePullSecrets"],
            json!([{"name": "registry"}]),
            "{chart}"
        );
        assert_eq!(pod.annotations["note"], "yes", "{chart}");
        assert_eq!(pod.labels["tier"], "web", "{chart}");
        assert_eq!(pod.spec["priorityClassName"], "shop", "{chart}");
        assert_eq!(pod.spec["serviceAccountName"], "mine", "{chart}");
        assert!(objects.of("ServiceAccount").is_empty(), "{chart}");
    }
}
