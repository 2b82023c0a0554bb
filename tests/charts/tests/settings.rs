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
}

#[test]
fn a_cell_is_numbered_from_0_on_and_says_since_when() {
    let objects = render("order-food")
        .set("settings.cell=0")
        .set("settings.cellSince=2026-01-31T12:00:00Z")
        .objects();
    let pod = objects.pod("Deployment");
    let container = pod.container("order-food");
    assert_eq!(variable(container, "CELL"), "0");
    assert_eq!(variable(container, "CELL_SINCE"), "2026-01-31T12:00:00Z");

    let refusal = render("order-food").set("settings.cell=0").refusal();
    assert!(refusal.contains("needs settings.cellSince"), "{refusal}");
}

#[test]
fn every_value_for_a_setting_becomes_a_variable_of_the_program() {
    let schema = std::fs::read_to_string(chart("order-food").join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let known = std::fs::read_to_string(repository().join("order-food/config/default.toml")).unwrap();
    let values = &schema["properties"];
    let of_workers = &values["workers"]["properties"]["settings"];
    for (path, group, prefix, deployments, least) in [
        ("settings", &values["settings"], "", &["order-food"][..], 19),
        (
            "jobs",
            &values["jobs"],
            "JOBS_",
            &["order-food", "order-food-workers"],
            14,
        ),
        ("workers.settings", of_workers, "", &["order-food-workers"], 5),
    ] {
        let settings = group["properties"].as_object().unwrap();
        let all: Vec<String> = settings
            .iter()
            .map(|(name, kind)| format!("\"{name}\": {}", example(kind)))
            .collect();
        let objects = render("order-food")
            .set("workers.enabled=true")
            .json(&format!("{path}={{{}}}", all.join(",")))
            .objects();
        assert!(settings.len() >= least, "{settings:?}");
        for name in settings.keys() {
            let variable_name = format!("{prefix}{}", snake(name).to_uppercase());
            for deployment in deployments {
                let pod = objects.named("Deployment", deployment).pod().unwrap();
                assert!(
                    !variable(pod.containers().last().unwrap(), &variable_name).is_null(),
                    "{name} is not given to {deployment}"
                );
            }
            // A list of five names its first variable in full: JOBS_…_CRITICAL, _HIGH, ….
            let (_, priority) = variable_name.rsplit_once('_').unwrap_or_default();
            let is_known = |before| {
                known.contains(&format!("{before}{variable_name}"))
                    || known.contains(&format!("{before}_{priority}")) && prefix == "JOBS_"
            };
            assert!(
                ["(", ", ", "; "].into_iter().any(is_known),
                "{variable_name} is no variable of order-food"
            );
        }
    }
}

#[test]
fn compose_passes_every_setting_that_the_chart_has() {
    let compose = std::fs::read_to_string(repository().join("docker-compose.yml")).unwrap();
    let schema = std::fs::read_to_string(chart("order-food").join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let values = &schema["properties"];
    let of_workers = &values["workers"]["properties"]["settings"];
    let mut passed = 0;
    for (group, prefix) in [
        (&values["settings"], ""),
        (&values["jobs"], "JOBS_"),
        (of_workers, ""),
    ] {
        for name in group["properties"].as_object().unwrap().keys() {
            let variable = format!("{prefix}{}", snake(name).to_uppercase());
            let is_passed = compose.lines().any(|line| {
                let (key, _) = line.trim().split_once(':').unwrap_or_default();
                key == variable
            });
            assert!(is_passed, "{variable} is not in docker-compose.yml");
            passed += 1;
        }
    }
    assert!(passed > 45, "{passed}");
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
    let split = |next: char| {
        [
            if next.is_uppercase() { "_" } else { "" }.to_owned(),
            next.to_string(),
        ]
        .concat()
    };
    name.chars().map(split).collect::<String>()
}
