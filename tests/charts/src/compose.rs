//! The settings of the chart order-food as variables, and those that docker-compose.yml passes on.

use serde_json::{Value, json};

use crate::helm::{Objects, render};
use crate::object::variable;
use crate::{chart, repository};

/// A value of the chart that is a setting of the program.
pub struct Setting {
    /// The path of its group, as `workers.settings`.
    pub group: &'static str,
    /// Its name in the group, as `poolWaitMs`.
    pub name: String,
    /// The variable that it becomes, as `POOL_WAIT_MS`.
    pub variable: String,
    /// A value that the schema allows.
    pub example: Value,
}

/// Groups of settings: path, place in the schema, and how the names of their variables begin.
const GROUPS: [(&str, &str, &str); 3] = [
    ("settings", "/properties/settings", ""),
    ("jobs", "/properties/jobs", "JOBS_"),
    ("workers.settings", "/properties/workers/properties/settings", ""),
];

/// What is passed on to which Deployment of the chart.
const PASSED: [(&str, &str); 2] = [
    ("order-food", "settings"),
    ("order-food-workers", "worker-settings"),
];

const BEGIN: &str =
    "# Passed on where they are set; the program has the defaults. Written by `make charts`: begin\n";
const END: &str = "# Written by `make charts`: end\n";

/// Every setting of the chart, in the order of its schema.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let schema = std::fs::read(chart("order-food").join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let mut settings = Vec::new();
    for (group, place, prefix) in GROUPS {
        let known = schema.pointer(place).unwrap()["properties"].as_object();
        settings.extend(known.unwrap().iter().map(|(name, kind)| Setting {
            group,
            name: name.clone(),
            variable: format!("{prefix}{}", snake(name).to_uppercase()),
            example: example(kind),
        }));
    }
    settings
}

/// The chart with its workers, and a value for every setting.
#[must_use]
pub fn rendering(settings: &[Setting]) -> Objects {
    let mut rendering = render("order-food").set("workers.enabled=true");
    for (group, ..) in GROUPS {
        let of_group = settings.iter().filter(|setting| setting.group == group);
        let values: Vec<String> = of_group
            .map(|setting| format!("\"{}\": {}", setting.name, setting.example))
            .collect();
        rendering = rendering.json(&format!("{group}={{{}}}", values.join(",")));
    }
    rendering.objects()
}

/// docker-compose.yml as it should be: with the variables that the chart gives to its containers.
///
/// # Panics
/// When the file does not hold the two marks between which they stand.
#[must_use]
pub fn file() -> String {
    let text = std::fs::read_to_string(repository().join("docker-compose.yml")).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the settings");
    let (_, after) = rest.split_once(END).expect("the mark behind the settings");
    let settings = settings();
    let objects = rendering(&settings);
    let mut written = String::new();
    for (deployment, anchor) in PASSED {
        let pod = objects.named("Deployment", deployment).pod().unwrap();
        let container = pod.containers().pop().unwrap();
        let mut names: Vec<&str> = settings
            .iter()
            .map(|setting| setting.variable.as_str())
            .filter(|name| !variable(container, name).is_null())
            .collect();
        names.sort_unstable();
        names.dedup();
        written += &format!("x-{anchor}: &{anchor}\n  {}:\n", names.join(":\n  "));
    }
    format!("{before}{BEGIN}{written}{END}{after}")
}

/// A value that the schema allows.
fn example(kind: &Value) -> Value {
    match (&kind["type"][0], &kind["enum"][0], &kind["maximum"]) {
        (Value::String(kind), ..) if kind == "array" => json!(["x"]),
        (Value::String(kind), ..) if kind == "boolean" => json!(true),
        _ if !kind["examples"].is_null() => kind["examples"][0].clone(),
        (_, Value::Null, greatest) => greatest.clone(),
        (_, first, _) => first.clone(),
    }
}

/// `poolWaitMs` as `pool_wait_ms`.
fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |before, next| {
        let between = if next.is_uppercase() { "_" } else { "" };
        format!("{before}{between}{next}")
    })
}
