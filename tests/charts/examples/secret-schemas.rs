//! Writes the schemas of ExternalSecret, SecretStore and SealedSecret, out of their Go modules,
//! into `docs/examples/secrets/schemas.json`. `make secret-schemas` runs it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure ends the program, as in a test"
)]

use std::path::Path;
use std::process::Command;

use charts_tests::repository;
use serde_json::{Map, Value, json};

/// Module with its version, file of the definition in it, and version of the kind.
const DEFINITIONS: [(&str, &str, &str); 3] = [
    (
        "github.com/external-secrets/external-secrets@v1.3.2",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
        "v1",
    ),
    (
        "github.com/external-secrets/external-secrets@v1.3.2",
        "config/crds/bases/external-secrets.io_secretstores.yaml",
        "v1",
    ),
    (
        "github.com/bitnami-labs/sealed-secrets@v0.40.0",
        "helm/sealed-secrets/crds/bitnami.com_sealedsecrets.yaml",
        "v1alpha1",
    ),
];

fn main() {
    let mut schemas = Map::new();
    for (module, file, version) in DEFINITIONS {
        let output = Command::new("go")
            .args(["mod", "download", "-json", module])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let about: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = std::fs::read_to_string(Path::new(about["Dir"].as_str().unwrap()).join(file)).unwrap();
        let definition: Value = yaml_serde::from_str(&text).unwrap();
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let found = versions.iter().find(|candidate| candidate["name"] == version);
        let mut schema =
            found.unwrap_or_else(|| panic!("{module}: no {version}"))["schema"]["openAPIV3Schema"].clone();
        close(&mut schema);
        schema["properties"]["metadata"] = json!({"type": "object"});
        // A store has one of 40 providers; the example has this one.
        if let Some(providers) = schema.pointer_mut("/properties/spec/properties/provider/properties") {
            providers
                .as_object_mut()
                .unwrap()
                .retain(|name, _| name == "azurekv");
        }
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        schemas.insert(
            kind.to_owned(),
            json!({"module": module, "version": version, "schema": schema}),
        );
    }
    let path = repository().join("docs/examples/secrets/schemas.json");
    std::fs::write(
        path,
        serde_json::to_string(&Value::Object(schemas)).unwrap() + "\n",
    )
    .unwrap();
}

/// Without descriptions and defaults, and with no other fields than those listed: a server would
/// drop them silently.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(Value::is_string) {
                for name in ["description", "default", "format"] {
                    fields.remove(name);
                }
                fields.retain(|name, _| !name.starts_with("x-kubernetes-validations"));
                if fields.contains_key("properties")
                    && !fields.contains_key("x-kubernetes-preserve-unknown-fields")
                {
                    fields.insert("additionalProperties".into(), json!(false));
                }
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
