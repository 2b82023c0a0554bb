//! A Kubernetes object, as data.

use serde::Deserialize;
use serde_json::Value;

/// An object of a rendering.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(pub Value);

/// A pod's spec, wherever it stands in an object.
pub struct Pod<'object> {
    /// What it is part of, for messages: kind and name.
    pub of: String,
    /// Its labels.
    pub labels: &'object Value,
    /// Its annotations, or null.
    pub annotations: &'object Value,
    /// Its spec.
    pub spec: &'object Value,
}

impl Object {
    /// The objects of a text of YAML documents.
    #[must_use]
    pub fn parse(text: &str) -> Vec<Self> {
        yaml_serde::Deserializer::from_str(text)
            .map(|document| Value::deserialize(document).unwrap())
            .filter(|value| !value.is_null())
            .map(Self)
            .collect()
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap()
    }

    /// Its name, or how that begins.
    #[must_use]
    pub fn name(&self) -> &str {
        let metadata = &self.0["metadata"];
        let name = metadata["name"].as_str().or(metadata["generateName"].as_str());
        name.unwrap()
    }

    /// What stands at a JSON pointer, or null.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Fails unless these JSON pointers lead to these values; null is nothing.
    #[track_caller]
    pub fn has<const N: usize>(&self, expected: [(&str, Value); N]) {
        for (pointer, value) in expected {
            assert_eq!(
                *self.at(pointer),
                value,
                "{} {}: {pointer}",
                self.kind(),
                self.name()
            );
        }
    }

    /// The first port of each rule of egress.
    #[must_use]
    pub fn egress_ports(&self) -> Vec<&Value> {
        let rules = self.list("/spec/egress").iter();
        rules.map(|rule| &rule["ports"][0]["port"]).collect()
    }

    /// The list at a JSON pointer.
    #[must_use]
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().unwrap()
    }

    /// The text at a JSON pointer.
    #[must_use]
    pub fn text(&self, pointer: &str) -> String {
        let value = self.at(pointer);
        value
            .as_str()
            .unwrap_or_else(|| panic!("{pointer}: {value}"))
            .to_owned()
    }

    /// The pod that it is or makes.
    #[must_use]
    pub fn pod(&self) -> Option<Pod<'_>> {
        let template = match self.kind() {
            "Pod" => &self.0,
            "Deployment" | "StatefulSet" | "Job" => self.at("/spec/template"),
            "CronJob" => self.at("/spec/jobTemplate/spec/template"),
            _ => return None,
        };
        Some(Pod {
            of: format!("{} {}", self.kind(), self.name()),
            labels: &template["metadata"]["labels"],
            annotations: &template["metadata"]["annotations"],
            spec: &template["spec"],
        })
    }
}

impl<'object> Pod<'object> {
    /// Its init containers and containers, in the order in which they start.
    #[must_use]
    pub fn containers(&self) -> Vec<&'object Value> {
        ["initContainers", "containers"]
            .iter()
            .filter_map(|list| self.spec[*list].as_array())
            .flatten()
            .collect()
    }

    /// The container with this name.
    #[must_use]
    pub fn container(&self, name: &str) -> &'object Value {
        let found = self
            .containers()
            .into_iter()
            .find(|container| container["name"] == name);
        found.unwrap_or_else(|| panic!("{}: no container {name}", self.of))
    }

    /// The volume with this name.
    #[must_use]
    pub fn volume(&self, name: &str) -> &'object Value {
        let volumes = self.spec["volumes"].as_array().unwrap();
        let found = volumes.iter().find(|volume| volume["name"] == name);
        found.unwrap_or_else(|| panic!("{}: no volume {name}", self.of))
    }
}

/// The value of a container's variable, null when it has none.
#[must_use]
pub fn variable<'object>(container: &'object Value, name: &str) -> &'object Value {
    let variables: Vec<&Value> = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|variable| variable["name"] == name)
        .collect();
    assert!(variables.len() <= 1, "{name} stands {} times", variables.len());
    variables.first().map_or(&Value::Null, |variable| {
        if variable["value"].is_null() {
            &variable["valueFrom"]
        } else {
            &variable["value"]
        }
    })
}

/// Whether a selector's labels choose an object with these labels.
#[must_use]
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().unwrap();
    assert!(!wanted.is_empty(), "an empty selector chooses everything");
    wanted.iter().all(|(name, value)| labels[name] == *value)
}
