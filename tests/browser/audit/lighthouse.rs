//! Lighthouse, run by Node on Debian's Chromium.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::Target;
use crate::driver::program;

/// The device that Lighthouse simulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Mobile,
    Desktop,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    /// Performance, accessibility, best practices, SEO; 100 at most.
    pub(super) scores: [f64; 4],
    pub(super) lcp_ms: f64,
    pub(super) cls: f64,
    pub(super) tbt_ms: f64,
    pub(super) bytes: f64,
    pub(super) requests: f64,
}

const CATEGORIES: [&str; 4] = ["performance", "accessibility", "best-practices", "seo"];
/// One run of six ends with an error of Chromium's own.
const ATTEMPTS: usize = 4;

impl Figures {
    fn of(report: &Value) -> Figures {
        let audit = |name: &str| report["audits"][name]["numericValue"].as_f64().unwrap();
        let requests = report["audits"]["network-requests"]["details"]["items"]
            .as_array()
            .unwrap();
        // A stream of events lasts, and is no part of the load.
        let loaded = requests
            .iter()
            .filter(|request| !request["url"].as_str().unwrap().ends_with("/events"));
        Figures {
            scores: CATEGORIES
                .map(|category| report["categories"][category]["score"].as_f64().unwrap() * 100.0),
            lcp_ms: audit("largest-contentful-paint"),
            cls: audit("cumulative-layout-shift"),
            tbt_ms: audit("total-blocking-time"),
            bytes: loaded
                .clone()
                .map(|request| request["transferSize"].as_f64().unwrap())
                .sum(),
            requests: loaded.count() as f64,
        }
    }

    pub(super) fn row(&self, name: &str) -> String {
        let [performance, accessibility, practices, seo] = self.scores;
        format!(
            "| {name} | {performance:.0} | {accessibility:.0} | {practices:.0} | {seo:.0} | {:.0} | {:.3} | {:.0} | {:.0} | {:.0} |",
            self.lcp_ms, self.cls, self.tbt_ms, self.bytes, self.requests
        )
    }
}

/// The median of each figure of three runs.
pub(super) fn median_of_three(folder: &Path, target: &Target<'_>, form: Form) -> Figures {
    let runs = [(); 3].map(|()| run(folder, target, form));
    let median = |of: &dyn Fn(&Figures) -> f64| {
        let mut figures = runs.each_ref().map(of);
        figures.sort_by(f64::total_cmp);
        figures[1]
    };
    Figures {
        scores: [0, 1, 2, 3].map(|index| median(&|run| run.scores[index])),
        lcp_ms: median(&|run| run.lcp_ms),
        cls: median(&|run| run.cls),
        tbt_ms: median(&|run| run.tbt_ms),
        bytes: median(&|run| run.bytes),
        requests: median(&|run| run.requests),
    }
}

fn run(folder: &Path, target: &Target<'_>, form: Form) -> Figures {
    let mut command = Command::new(program("node"));
    command
        .arg(super::lighthouse_program(folder))
        .arg(&target.address)
        .args(["--quiet", "--output=json", "--max-wait-for-load=15000"])
        .arg(format!("--only-categories={}", CATEGORIES.join(",")))
        .arg("--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage")
        .arg(format!("--extra-headers={}", json!({ "Cookie": target.cookies })))
        .env("CHROME_PATH", program("chromium"));
    if !target.is_public {
        command.arg("--skip-audits=is-crawlable");
    }
    if let Form::Desktop = form {
        command.arg("--preset=desktop");
    }
    let mut said = String::new();
    for _ in 0..ATTEMPTS {
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() && report["runtimeError"].is_null() && report["audits"].is_object() {
            return Figures::of(&report);
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    panic!("Lighthouse does not open {}: {said}", target.address);
}
