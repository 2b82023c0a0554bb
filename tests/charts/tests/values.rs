//! The values: promised defaults, closed schemas, and files for environments.

use std::fs;
use std::path::Path;
use std::process::Command;

use charts_tests::helm::render;
use charts_tests::{CHARTS, chart, tool};
use serde_json::{Map, Value, json};

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn defaults(chart_name: &str) -> Value {
    read(&chart(chart_name).join("values.yaml"))
}

fn leaves(value: &Value, path: &str) -> Vec<(String, Value)> {
    match value.as_object().filter(|fields| !fields.is_empty()) {
        Some(fields) => fields
            .iter()
            .flat_map(|(key, field)| leaves(field, &format!("{path}/{key}")))
            .collect(),
        None => vec![(path.to_owned(), value.clone())],
    }
}

#[test]
fn the_promised_values_stand_where_they_were_promised() {
    let image = |name: &str| json!({"repository": name, "tag": "", "pullPolicy": "IfNotPresent"});
    let food = &defaults("order-food")["initContainers"];
    for (container, name) in [
        ("databaseMigration", "database-migration"),
        ("databaseLoad", "database-load"),
    ] {
        assert_eq!(food[container]["enabled"], true);
        for (field, value) in image(name).as_object().unwrap() {
            assert_eq!(
                food[container]["image"][field], *value,
                "{container}.image.{field}"
            );
        }
    }
    let load = defaults("database-load");
    for (path, value) in [
        ("/job/enabled", json!(false)),
        ("/job/restartPolicy", json!("OnFailure")),
        ("/job/backoffLimit", json!(3)),
        ("/job/ttlSecondsAfterFinished", json!(3600)),
        ("/cronjob/enabled", json!(true)),
        ("/cronjob/schedule", json!("0 */6 * * *")),
        ("/cronjob/concurrencyPolicy", json!("Forbid")),
        ("/cronjob/successfulJobsHistoryLimit", json!(3)),
        ("/cronjob/failedJobsHistoryLimit", json!(3)),
        ("/cronjob/backoffLimit", json!(2)),
        ("/cronjob/restartPolicy", json!("OnFailure")),
        ("/cronjob/suspend", json!(false)),
    ] {
        assert_eq!(load.pointer(path), Some(&value), "{path}");
    }
}

#[test]
fn order_food_has_every_value_that_helm_create_writes() {
    let folder = std::env::temp_dir().join(format!("helm-create-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let made = Command::new(tool("helm"))
        .args(["create", "shop"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let theirs = read(&folder.join("shop/values.yaml"));
    fs::remove_dir_all(&folder).unwrap();

    let ours = defaults("order-food");
    for (path, _) in leaves(&theirs, "") {
        assert!(ours.pointer(&path).is_some(), "{path}");
    }
    for name in ["database-migration", "database-load"] {
        let ours = defaults(name);
        let without = [
            "/service",
            "/ingress",
            "/httpRoute",
            "/autoscaling",
            "/replicaCount",
            "/livenessProbe",
            "/readinessProbe",
        ];
        for (path, _) in leaves(&theirs, "") {
            let meaningless = without
                .iter()
                .any(|start| path.starts_with(start) && !path.starts_with("/serviceAccount"));
            assert!(meaningless || ours.pointer(&path).is_some(), "{name}: {path}");
        }
    }
}

#[test]
fn the_schemas_know_every_value_and_refuse_unknown_keys_at_every_level() {
    for name in CHARTS {
        let schema: Value =
            serde_json::from_slice(&fs::read(chart(name).join("values.schema.json")).unwrap()).unwrap();
        closed(&schema, name);
        known(&defaults(name), &schema, &schema, name);
    }
}

/// Every object whose fields are listed refuses others.
fn closed(schema: &Value, path: &str) {
    if let Some(fields) = schema.as_object() {
        if fields.contains_key("properties") && fields.get("type") == Some(&json!("object")) {
            assert_eq!(fields.get("additionalProperties"), Some(&json!(false)), "{path}");
        }
        for (key, below) in fields {
            closed(below, &format!("{path}/{key}"));
        }
    }
}

/// The schema lists every field of the defaults, and no field that the defaults do not show.
fn known(value: &Value, schema: &Value, root: &Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let (Some(fields), Some(listed)) = (value.as_object(), schema["properties"].as_object()) else {
        return;
    };
    for (key, field) in fields {
        let below = format!("{path}/{key}");
        let field_schema = listed
            .get(key)
            .unwrap_or_else(|| panic!("{below} is not in the schema"));
        known(field, field_schema, root, &below);
    }
    for key in listed.keys() {
        let optional = ["global", "shop", "claims", "medium", "limits", "requests"].contains(&key.as_str());
        assert!(
            optional || fields.contains_key(key),
            "{path}/{key} is in the schema alone"
        );
    }
}

#[test]
fn a_typo_is_refused_and_named() {
    for (name, typo) in [
        ("order-food", "replicaCoun=3"),
        ("order-food", "initContainers.databaseLoad.image.tagg=1"),
        ("order-food", "autoscaling.maxReplica=3"),
        ("order-food", "settings.poolsize=3"),
        ("database-load", "cronjob.shedule=never"),
        ("database-load", "job.ttl=1"),
        ("database-migration", "job.cronjob=true"),
        ("postgres", "auth.pasword=secret"),
    ] {
        let complaint = render(name).set(typo).refusal();
        let key = typo.split('=').next().unwrap().rsplit('.').next().unwrap();
        assert!(
            complaint.contains("not allowed") && complaint.contains(key),
            "{complaint}"
        );
    }
    for (name, wrong) in [
        ("order-food", "replicaCount=many"),
        ("order-food", "image.pullPolicy=Sometimes"),
        ("order-food", "image.digest=sha256:abc"),
        ("database-load", "cronjob.concurrencyPolicy=Perhaps"),
        ("database-load", "job.restartPolicy=Always"),
        ("database-load", "sources[0].url=https://x.example/p.csv"),
        ("database-load", "sources[0].dataset=products"),
    ] {
        render(name)
            .set(wrong)
            .refuses("values don't meet the specifications");
    }
}

#[test]
fn the_files_for_environments_hold_only_what_differs() {
    for name in CHARTS {
        let defaults = defaults(name);
        for environment in ["dev", "staging", "production"] {
            let file = chart(name).join(format!("values-{environment}.yaml"));
            let values = read(&file);
            assert!(
                !values.as_object().unwrap_or(&Map::new()).is_empty(),
                "{}",
                file.display()
            );
            for (path, value) in leaves(&values, "") {
                assert_ne!(
                    defaults.pointer(&path),
                    Some(&value),
                    "{}: {path}",
                    file.display()
                );
            }
        }
    }
}
