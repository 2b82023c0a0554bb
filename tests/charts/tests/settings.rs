//! Settings of the chart: each becomes a variable that the program has.

use charts_tests::helm::render;
use charts_tests::object::variable;
use charts_tests::{chart, repository};
use serde_json::{Value, json};

use crate::everything;

#[test]
fn settings_become_variables_that_the_program_has() {
    let objects = everything().objects();
    let pod = objects.pod("Deployment");
    let container = pod.container("order-food");
    assert_eq!(variable(container, "POOL_SIZE"), "20");
    assert_eq!(
        variable(container, "CORS_ALLOWED_ORIGINS"),
        "https://one.example,https://two.example"
    );
    assert_eq!(variable(container, "CORS_ALLOW_CREDENTIALS"), "true");
    assert_eq!(variable(container, "TRUSTED_PROXIES"), "10.0.0.0/8");
    assert_eq!(variable(container, "RATE_LIMIT_PER_KEY"), "6000000");
    assert_eq!(variable(container, "ORDER_QUEUE"), "2048");
    assert!(
        variable(container, "HTTP_WORKERS").is_null(),
        "null leaves the program its default"
    );

    let schema = std::fs::read_to_string(chart("order-food").join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let known = std::fs::read_to_string(repository().join("order-food/config/default.toml")).unwrap();
    let settings = schema["properties"]["settings"]["properties"]
        .as_object()
        .unwrap();
    let all: Vec<String> = settings
        .iter()
        .map(|(name, kind)| {
            let example = match (&kind["type"][0], &kind["enum"][0], &kind["maximum"]) {
                (Value::String(kind), ..) if kind == "array" => json!(["x"]),
                (Value::String(kind), ..) if kind == "boolean" => json!(true),
                _ if !kind["examples"].is_null() => kind["examples"][0].clone(),
                (_, Value::Null, greatest) => greatest.clone(),
                (_, first, _) => first.clone(),
            };
            format!("\"{name}\": {example}")
        })
        .collect();
    let objects = render("order-food")
        .json(&format!("settings={{{}}}", all.join(",")))
        .objects();
    let container = objects.pod("Deployment").container("order-food").clone();
    assert!(settings.len() >= 19, "{settings:?}");
    for name in settings.keys() {
        let split = |next: char| {
            [
                if next.is_uppercase() { "_" } else { "" }.to_owned(),
                next.to_string(),
            ]
            .concat()
        };
        let variable_name = name.chars().map(split).collect::<String>().to_uppercase();
        assert!(
            !variable(&container, &variable_name).is_null(),
            "{name} is not given to the program"
        );
        let is_known = |before| known.contains(&format!("{before}{variable_name}"));
        assert!(
            ["(", ", ", "; "].into_iter().any(is_known),
            "{variable_name} is no variable of order-food"
        );
    }
}
