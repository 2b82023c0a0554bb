//! Writes what is generated from the charts: the tables of their READMEs, the golden files and
//! the manifests under `k8s/`. `make charts` runs it.

use charts_tests::{CHARTS, bootstrap, chart, golden, helm, manifests, reference};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for name in CHARTS {
        std::fs::write(chart(name).join("README.md"), reference::readme(name))?;
        std::fs::write(golden(name), helm::render(name).text()?)?;
    }
    for (path, text) in manifests::files().into_iter().chain(bootstrap::files()) {
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(path, text)?;
    }
    Ok(())
}
