//! The charts: what a rendering shows of the promises in docs/DEPLOYMENT.md.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod api;
mod bootstrap;
mod bootstrap_scripts;
mod database;
mod databases;
mod files;
mod generated;
mod images;
mod init_job_scripts;
mod init_jobs;
mod jobs;
mod loader;
mod manifests;
mod names;
mod networks;
mod notes;
mod pods;
mod schema;
mod scripts;
mod secrets;
mod settings;
mod terraform;
mod validity;
mod values;
mod workers;

use std::sync::OnceLock;

use charts_tests::helm::{Objects, Render, render};
use charts_tests::{CHARTS, values_files};

/// A rendering of each chart with each file of values that comes with it, and how it was made.
fn all_renderings() -> &'static [(String, Objects)] {
    static RENDERINGS: OnceLock<Vec<(String, Objects)>> = OnceLock::new();
    RENDERINGS.get_or_init(|| {
        let renderings = CHARTS.into_iter().flat_map(|chart| {
            let files = [values_files(chart, "ci", ""), values_files(chart, "", "values-")].concat();
            files.into_iter().map(move |file| {
                let name = format!("{chart} with {}", file.file_name().unwrap().display());
                (name, render(chart).values(&file).objects())
            })
        });
        renderings.collect()
    })
}

/// The chart order-food with every switch of the API on.
fn everything() -> Render {
    render("order-food").own_values("ci/everything-values.yaml")
}
