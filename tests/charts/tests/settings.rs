//! Settings of the chart: each becomes a variable that the program has.

use charts_tests::compose::{self, Setting};
use charts_tests::helm::render;
use charts_tests::object::{self, variable};
use charts_tests::repository;

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

    render("order-food")
        .set("settings.cell=0")
        .refuses("needs settings.cellSince");
}

#[test]
fn every_value_for_a_setting_becomes_a_variable_of_the_program() {
    let known = std::fs::read_to_string(repository().join("order-food/config/default.toml")).unwrap();
    let settings = compose::settings();
    let objects = compose::rendering(&settings);
    for (group, deployments, least) in [
        ("settings", &["order-food"][..], 19),
        ("jobs", &["order-food", "order-food-workers"], 14),
        ("workers.settings", &["order-food-workers"], 5),
    ] {
        let of_group: Vec<&Setting> = settings.iter().filter(|setting| setting.group == group).collect();
        assert!(of_group.len() >= least, "{group}: {}", of_group.len());
        for Setting { variable, .. } in of_group {
            for deployment in deployments {
                let pod = objects.named("Deployment", deployment).pod().unwrap();
                let container = pod.containers().pop().unwrap();
                assert!(
                    !object::variable(container, variable).is_null(),
                    "{variable} is not given to {deployment}"
                );
            }
            // A list of five names its first variable in full: JOBS_…_CRITICAL, _HIGH, ….
            let (_, priority) = variable.rsplit_once('_').unwrap_or_default();
            let is_known = |before| {
                known.contains(&format!("{before}{variable}"))
                    || known.contains(&format!("{before}_{priority}")) && group == "jobs"
            };
            assert!(
                ["(", ", ", "; "].into_iter().any(is_known),
                "{variable} is no variable of order-food"
            );
        }
    }
}

#[test]
fn compose_passes_every_setting_that_the_chart_has() {
    let written = std::fs::read_to_string(repository().join("docker-compose.yml")).unwrap();
    assert_eq!(written, compose::file(), "type: make charts");
    for Setting { variable, .. } in compose::settings() {
        let line = format!("\n  {variable}:\n");
        assert!(written.contains(&line), "{variable} is not in docker-compose.yml");
    }
}
