//! Kubernetes' own schemas, which allow no unknown fields.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use charts_tests::object::Object;
use charts_tests::tool;
use serde_json::{Map, Value};

/// The schemas of one Kubernetes version.
pub(crate) struct Schemas {
    folder: std::path::PathBuf,
    definitions: Value,
    validators: HashMap<String, jsonschema::Validator>,
}

const REFERENCE: &str = "/api/_definitions.json#/$defs/";

impl Schemas {
    /// Those of a version, as `1.33`.
    pub(crate) fn of(kubernetes: &str) -> Self {
        static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
        let folder = FOLDER.get_or_init(|| tool("kubernetes-schemas")).join(kubernetes);
        let definitions = read(&folder.join("_definitions.json"));
        Self {
            folder,
            definitions,
            validators: HashMap::new(),
        }
    }

    /// What is wrong with an object; `None` for kinds that are not Kubernetes' own.
    pub(crate) fn complaints(&mut self, object: &Object) -> Option<Vec<String>> {
        let version = object.text("/apiVersion");
        let (group, number) = version.split_once('/').unwrap_or(("", &version));
        if ["monitoring.coreos.com", "gateway.networking.k8s.io", "keda.sh"].contains(&group) {
            return None;
        }
        let group = group.split('.').next().unwrap();
        let parts = [&object.kind().to_lowercase(), group, number];
        let file = parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("-");
        if !self.validators.contains_key(&file) {
            let validator = self.compile(&file);
            self.validators.insert(file.clone(), validator);
        }
        let errors = self.validators[&file].iter_errors(&object.0);
        Some(
            errors
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect(),
        )
    }

    /// A schema that holds the definitions it needs, and no others: all of them are megabytes.
    fn compile(&self, file: &str) -> jsonschema::Validator {
        let path = self.folder.join(format!("{file}.json"));
        assert!(path.exists(), "Kubernetes has no {file}");
        let mut schema = read(&path);
        let mut wanted = Vec::new();
        localize(&mut schema, &mut wanted);
        let (mut known, mut definitions) = (BTreeSet::new(), Map::new());
        while let Some(name) = wanted.pop() {
            if known.insert(name.clone()) {
                let mut definition = self.definitions["$defs"][&name].clone();
                localize(&mut definition, &mut wanted);
                definitions.insert(name, definition);
            }
        }
        schema["$defs"] = Value::Object(definitions);
        jsonschema::validator_for(&schema).unwrap()
    }
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Points the references at the document itself, and collects what they name.
fn localize(schema: &mut Value, named: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                for prefix in [REFERENCE, "#/$defs/"] {
                    if let Some(name) = reference.strip_prefix(prefix) {
                        named.push(name.to_owned());
                        *reference = format!("#/$defs/{name}");
                        break;
                    }
                }
            }
            fields.values_mut().for_each(|value| localize(value, named));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| localize(item, named)),
        _ => {}
    }
}
