//! The rules and the dashboard that compose, charts and tests share, and the metrics they need.

mod dashboard;
mod metrics;
mod promql;
mod rules;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use test_support::tool;

/// Debian's promtool, as `make test` and `make e2e-observability` find it.
pub(crate) static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| tool("promtool"));

/// The expressions of the dashboards that ask for metrics of order-food and its workers alone, with
/// a window of five minutes.
pub(crate) fn panels_of_own_metrics() -> Vec<String> {
    let external = metrics::external();
    let is_own = |expression: &String| {
        let mut mentions = promql::mentions(expression).into_iter();
        mentions.all(|mention| mention.metric == "ALERTS" || !external.contains_key(&mention.metric))
    };
    let own: Vec<String> = dashboard::expressions().into_iter().filter(is_own).collect();
    assert!(own.len() > 60, "{}", own.len());
    own
}

/// What promtool says; fails the test when promtool is not content.
fn promtool(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(&*PROMTOOL)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("run promtool");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(
        output.status.success(),
        "promtool {}: {}",
        arguments.join(" "),
        said.concat()
    );
    said.concat()
}
