//! Dockerfile and docker-compose.yml, as far as they can be checked without a Docker daemon.

use std::fs;
use std::process::Command;

use charts_tests::{repository, tool};

#[test]
fn the_dockerfile_passes_its_linter_and_needs_no_extension_of_buildkit() {
    let linted = Command::new(tool("hadolint"))
        .arg(repository().join("Dockerfile"))
        .output()
        .unwrap();
    assert!(linted.status.success(), "{linted:?}");

    // The builder that Docker has by itself knows neither.
    let text = fs::read_to_string(repository().join("Dockerfile")).unwrap();
    for line in text.lines() {
        let is_syntax = line.trim_start_matches(['#', ' ']).starts_with("syntax=") && line.starts_with('#');
        let is_mount = line.contains("--mount") && !line.starts_with('#');
        assert!(!is_syntax && !is_mount, "this line needs BuildKit: {line}");
    }
    let workspace: toml::Value =
        toml::from_str(&fs::read_to_string(repository().join("Cargo.toml")).unwrap()).unwrap();
    let version = workspace["workspace"]["package"]["version"].as_str().unwrap();
    assert!(
        text.lines().any(|line| line == format!("ARG VERSION={version}")),
        "the default of VERSION is not that of Cargo.toml, {version}"
    );
}

#[test]
fn docker_compose_takes_the_file_with_and_without_observability() {
    let compose = |profile: &str, words: &[&str]| {
        Command::new(repository().join("scripts/compose/compose.sh"))
            .args(words)
            .env("COMPOSE_PROFILES", profile)
            .output()
            .unwrap()
    };
    if !compose("", &["version"]).status.success() {
        println!("Docker Compose is not installed: docker-compose.yml was not read.");
        return;
    }
    for profile in ["", "observability"] {
        let checked = compose(profile, &["config", "--quiet"]);
        assert!(checked.status.success(), "{profile}: {checked:?}");
    }
}
