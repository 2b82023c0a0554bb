//! The examples of Secrets from elsewhere: each makes every Secret and key that the charts read,
//! and fits the schemas of its operator. No password stands in what the charts render.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use charts_tests::helm::{Objects, render};
use charts_tests::object::Object;
use charts_tests::{CHARTS, repository, values_files};
use serde_json::{Value, json};

/// Names of Secrets with their keys.
type Secrets = BTreeMap<String, BTreeSet<String>>;

const EXAMPLES: [&str; 3] = [
    "external-secrets.yaml",
    "secret-provider-class.yaml",
    "sealed-secrets.yaml",
];

fn folder() -> std::path::PathBuf {
    repository().join("docs/examples/secrets")
}

/// Every Secret that pods read, in production and with everything that may be read switched on.
fn read_by_charts() -> Secrets {
    let mut secrets = Secrets::new();
    let everything = [
        render("database-migration").own_values("values-production.yaml"),
        render("database-load").own_values("values-production.yaml"),
        render("order-food")
            .own_values("values-production.yaml")
            .set("objectStore.existingSecret=order-food-object-store")
            .set("database.keys.direct=direct-url"),
        render("init-jobs")
            .own_values("values-production.yaml")
            .set("initJobs.multiRegionSetup.enabled=true")
            .set("initJobs.multiRegionSetup.targetRegion=westeurope"),
    ];
    for rendering in everything {
        for object in &rendering.objects().0 {
            if let Some(pod) = object.pod() {
                collect(pod.spec, &mut secrets);
            }
        }
    }
    secrets
}

/// Volumes (`secret`) and variables (`secretKeyRef`), wherever they stand.
fn collect(value: &Value, secrets: &mut Secrets) {
    match value {
        Value::Object(fields) => {
            if let Some(secret) = fields.get("secret") {
                let keys = secrets.entry(text(&secret["secretName"])).or_default();
                // A volume without items takes all keys.
                let items = secret["items"].as_array().into_iter().flatten();
                keys.extend(items.map(|item| text(&item["key"])));
            }
            if let Some(secret) = fields.get("secretKeyRef") {
                let keys = secrets.entry(text(&secret["name"])).or_default();
                keys.insert(text(&secret["key"]));
            }
            fields.values().for_each(|field| collect(field, secrets));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, secrets)),
        _ => {}
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// The Secrets that the objects of an example make.
fn made_by(objects: &Objects) -> Secrets {
    let mut secrets = Secrets::new();
    let mut insert = |name: &Value, keys: BTreeSet<String>| {
        assert!(secrets.insert(text(name), keys).is_none(), "{name} twice");
    };
    for object in &objects.0 {
        match object.kind() {
            "ExternalSecret" => {
                let keys = object
                    .list("/spec/data")
                    .iter()
                    .map(|data| text(&data["secretKey"]));
                insert(object.at("/spec/target/name"), keys.collect());
            }
            "SecretProviderClass" => {
                for secret in object.list("/spec/secretObjects") {
                    let data = secret["data"].as_array().unwrap();
                    let keys = data.iter().map(|data| text(&data["key"]));
                    insert(&secret["secretName"], keys.collect());
                }
            }
            "SealedSecret" => {
                let data = object.at("/spec/encryptedData").as_object().unwrap();
                insert(object.at("/metadata/name"), data.keys().cloned().collect());
            }
            _ => {}
        }
    }
    secrets
}

#[test]
fn each_example_makes_every_secret_that_the_charts_read() {
    let read = read_by_charts();
    for name in [
        "order-food-database",
        "order-food-object-store",
        "order-food-postgres-admin",
        "order-food-role-passwords",
    ] {
        assert!(read.contains_key(name), "{name}: {read:?}");
    }
    for example in EXAMPLES {
        for chart in ["init-jobs", "database-migration", "database-load", "order-food"] {
            let made = made_by(&render(chart).values(&folder().join(example)).objects());
            for (name, keys) in &read {
                let made = made
                    .get(name)
                    .unwrap_or_else(|| panic!("{example} makes no {name}"));
                assert!(keys.is_subset(made), "{example}: {name}: {keys:?} of {made:?}");
            }
            let roles = ["migrator", "app", "loader", "worker", "readonly"].map(String::from);
            assert_eq!(made["order-food-role-passwords"], BTreeSet::from(roles));
        }
    }
}

/// What the schema of an object's kind says; there is none of SecretProviderClass in a registry.
fn complaints(object: &Object, schemas: &Value) -> Option<Vec<String>> {
    let kind = &schemas[object.kind()];
    let schema = kind.get("schema")?;
    let version = text(&kind["version"]);
    assert!(object.text("/apiVersion").ends_with(&format!("/{version}")));
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors = validator.iter_errors(&object.0);
    Some(
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
    )
}

#[test]
fn the_examples_fit_the_schemas_of_their_operators() {
    let schemas: Value = serde_json::from_slice(&fs::read(folder().join("schemas.json")).unwrap()).unwrap();
    let mut checked = BTreeMap::new();
    for example in EXAMPLES {
        for object in render("init-jobs").values(&folder().join(example)).objects().0 {
            if let Some(complaints) = complaints(&object, &schemas) {
                assert_eq!(complaints, Vec::<String>::new(), "{example}");
                *checked.entry(object.kind().to_owned()).or_insert(0) += 1;
                let mut broken = object.clone();
                broken.0["spec"]["misspelt"] = json!(true);
                assert_eq!(self::complaints(&broken, &schemas).unwrap().len(), 1);
            }
        }
    }
    let expected = [("ExternalSecret", 4), ("SealedSecret", 4), ("SecretStore", 1)];
    assert_eq!(
        checked,
        BTreeMap::from(expected.map(|(kind, number)| (kind.to_owned(), number)))
    );
}

#[test]
fn a_secret_provider_class_asks_the_vault_for_each_object_and_pods_mount_it() {
    let objects = render("init-jobs")
        .values(&folder().join("secret-provider-class.yaml"))
        .objects();
    let class = objects.only("SecretProviderClass");
    let listed: Value = yaml_serde::from_str(&class.text("/spec/parameters/objects")).unwrap();
    let mut names = BTreeSet::new();
    for entry in listed["array"].as_array().unwrap() {
        let entry: Value = yaml_serde::from_str(&text(entry)).unwrap();
        assert_eq!(entry["objectType"], "secret");
        assert!(names.insert(text(&entry["objectName"])), "{entry}");
    }
    let mut used = BTreeSet::new();
    for secret in class.list("/spec/secretObjects") {
        let data = secret["data"].as_array().unwrap();
        used.extend(data.iter().map(|data| text(&data["objectName"])));
    }
    assert_eq!(used, names);
    // Key Vault takes letters, digits and hyphens.
    let allowed = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    assert!(names.iter().all(allowed), "{names:?}");
    for cronjob in objects.of("CronJob") {
        let pod = cronjob.pod().unwrap();
        let class = &pod.volume("vault")["csi"]["volumeAttributes"]["secretProviderClass"];
        assert_eq!(class, "order-food");
        for container in pod.containers() {
            let mounts = container["volumeMounts"].as_array().unwrap();
            assert!(mounts.iter().any(|mount| mount["name"] == "vault"));
        }
    }
}

#[test]
fn no_password_stands_in_what_is_rendered() {
    // What a developer may write into values goes into a Secret, and nowhere else.
    let url = "postgres://shop:correct-horse@db:5432/shop";
    for chart in CHARTS.into_iter().filter(|chart| *chart != "postgres") {
        let mut rendering = render(chart).set(&format!("database.url={url}"));
        if chart != "database-migration" {
            rendering = rendering.set("apiKeyHashKey.value=battery-staple-0123");
        }
        if chart == "init-jobs" {
            rendering = rendering.set("bootstrap.enabled=true");
        }
        for object in &rendering.objects().0 {
            let text = object.0.to_string();
            let leaks = text.contains("correct-horse") || text.contains("battery-staple-0123");
            assert_eq!(
                leaks,
                object.kind() == "Secret",
                "{chart}: {} {}",
                object.kind(),
                object.name()
            );
        }
    }
    // A password in an argument would be in the list of processes.
    for chart in CHARTS {
        for file in values_files(chart, "ci", "") {
            for object in &render(chart).values(&file).objects().0 {
                let Some(pod) = object.pod() else { continue };
                for container in pod.containers() {
                    let words = format!("{}{}", container["args"], container["command"]);
                    let is_url = words.contains("postgres://") || words.contains("postgresql://");
                    assert!(
                        !is_url && !words.contains("assword="),
                        "{}: {words}",
                        file.display()
                    );
                    for variable in container["env"].as_array().into_iter().flatten() {
                        let name = text(&variable["name"]);
                        let secret = ["PASSWORD", "SECRET_ACCESS_KEY", "HASH_KEY", "DATABASE_URL"]
                            .iter()
                            .any(|end| name.ends_with(end));
                        assert!(
                            !secret || variable["value"].is_null(),
                            "{}: {name}",
                            file.display()
                        );
                    }
                }
            }
        }
    }
}
