//! The charts as the real helm renders them, Kubernetes' schemas, and what is generated from the
//! charts: the tables of their READMEs, the golden files, the manifests under `k8s/`, and the
//! settings in docker-compose.yml. Everything here is for tests, and panics.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests only: what fails here is a failed test"
)]

pub mod bootstrap;
pub mod compose;
pub mod helm;
pub mod manifests;
pub mod object;
pub mod reference;

use std::path::{Path, PathBuf};

/// All charts.
pub const CHARTS: [&str; 5] = [
    "database-migration",
    "database-load",
    "init-jobs",
    "order-food",
    "postgres",
];

/// Those whose pods run the services.
pub const SERVICES: [&str; 3] = ["database-migration", "database-load", "order-food"];

/// The Kubernetes versions that the charts are checked for: the oldest they allow, one in the
/// middle, the newest.
pub const KUBERNETES: [&str; 3] = ["1.29", "1.33", "1.37"];

/// The folder of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The folder of a chart.
#[must_use]
pub fn chart(name: &str) -> PathBuf {
    repository().join("charts").join(name)
}

/// The golden file of a chart: its default rendering.
#[must_use]
pub fn golden(name: &str) -> PathBuf {
    repository()
        .join("tests/charts/golden")
        .join(format!("{name}.yaml"))
}

/// The files of values in a folder of a chart, sorted; `prefix` is how their names begin.
#[must_use]
pub fn values_files(chart_name: &str, folder: &str, prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(chart(chart_name).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".yaml")
        })
        .collect();
    files.sort();
    files
}

/// Where a tool is; `scripts/tools.sh` installs it if need be.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let output = std::process::Command::new(repository().join("scripts/tools.sh"))
        .arg(name)
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{name} is missing");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}
