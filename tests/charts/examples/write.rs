//! Writes what is generated from the charts: the tables of their READMEs, the golden files, the
//! manifests under `k8s/`, and the settings in docker-compose.yml. `make charts` runs it.

use charts_tests::{CHARTS, bootstrap, chart, compose, golden, helm, manifests, reference, repository};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for name in CHARTS {
        std::fs::write(chart(name).join("README.md"), reference::readme(name))?;
        std::fs::write(golden(name), helm::render(name).text()?)?;
    }
    for (path, text) in manifests::files().into_iter().chain(bootstrap::files()) {
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(path, text)?;
    }
    std::fs::write(repository().join("docker-compose.yml"), compose::file())?;
    Ok(())
}
