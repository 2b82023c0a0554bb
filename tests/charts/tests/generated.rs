//! What is generated from the charts is up to date, and their metadata is complete.

use std::fs;

use charts_tests::helm::{self, render};
use charts_tests::{CHARTS, SERVICES, chart, golden, reference, repository};
use serde_json::{Value, json};

#[test]
fn the_default_renderings_are_the_golden_files() {
    for name in CHARTS {
        let expected = fs::read_to_string(golden(name)).unwrap();
        let rendered = render(name).text().unwrap();
        assert_eq!(
            rendered, expected,
            "{name}: if the change is meant, type: make charts"
        );
    }
}

#[test]
fn the_tables_in_the_readmes_are_those_of_the_values() {
    for name in CHARTS {
        let written = fs::read_to_string(chart(name).join("README.md")).unwrap();
        assert_eq!(written, reference::readme(name), "{name}: type: make charts");
    }
}

#[test]
fn every_value_has_a_comment() {
    for name in CHARTS {
        let entries = reference::entries(name);
        assert!(entries.len() > 30, "{name}: {}", entries.len());
        for entry in entries {
            assert!(entry.comment.len() > 4, "{name}: {entry:?}");
        }
    }
}

#[test]
fn a_package_holds_the_library_without_a_download() {
    let folder = std::env::temp_dir().join(format!("helm-package-{}", std::process::id()));
    for name in CHARTS {
        helm::package(&chart(name), &folder).unwrap_or_else(|complaint| panic!("{name}: {complaint}"));
        let file = folder.join(format!("{name}-0.1.0.tgz"));
        let rendered = render(name).chart_at(&file).text().unwrap();
        assert_eq!(rendered, fs::read_to_string(golden(name)).unwrap(), "{name}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_documents_build_images_with_the_tags_that_the_charts_take() {
    for document in ["README.md", "docs/DEPLOYMENT.md"] {
        let text = fs::read_to_string(repository().join(document)).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("docker build "))
            .collect();
        let expected = SERVICES.map(|service| {
            let image = render(service).objects();
            let kinds = ["Deployment", "CronJob", "Job"];
            let pod = kinds
                .iter()
                .find_map(|kind| image.of(kind).first()?.pod())
                .unwrap();
            let image = pod.container(service)["image"].as_str().unwrap().to_owned();
            format!("docker build --target {service} -t {service}:latest -t {image} .")
        });
        assert_eq!(lines, expected, "{document}");
    }
}

#[test]
fn the_charts_say_what_they_are_and_need_no_download() {
    let workspace = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    for name in CHARTS {
        let text = fs::read_to_string(chart(name).join("Chart.yaml")).unwrap();
        let about: Value = yaml_serde::from_str(&text).unwrap();
        assert_eq!(
            (&about["apiVersion"], &about["name"]),
            (&"v2".into(), &name.into())
        );
        let library = json!([{"name": "shop", "version": "0.1.0", "repository": "file://../shop"}]);
        assert_eq!(about["dependencies"], library, "{name}");
        assert!(
            about["kubeVersion"].as_str().unwrap().starts_with(">=1.29"),
            "{name}"
        );
        for annotation in ["category", "license", "images", "changes"] {
            let key = format!("artifacthub.io/{annotation}");
            assert!(about["annotations"][&key].is_string(), "{name}: {key}");
        }
        let images = about["annotations"]["artifacthub.io/images"].as_str().unwrap();
        let image = if name == "init-jobs" {
            "database-migration"
        } else {
            name
        };
        let own = format!("{image}:{}", about["appVersion"].as_str().unwrap());
        assert!(images.contains(&own), "{images}");
        if SERVICES.contains(&name) {
            let version = format!("version = {}", about["appVersion"]);
            assert!(workspace.contains(&version), "the crates are not of {version}");
        }
    }
}
