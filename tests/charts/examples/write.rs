//! Writes what is generated from the charts: the tables of their READMEs and the golden files.
//! `make charts` runs it.

use charts_tests::{CHARTS, chart, golden, helm, reference};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for name in CHARTS {
        std::fs::write(chart(name).join("README.md"), reference::readme(name))?;
        std::fs::write(golden(name), helm::render(name).text()?)?;
    }
    Ok(())
}
