//! The rules and the dashboard that compose, charts and tests share, and the metrics they need.

mod dashboard;
mod metrics;
mod promql;
mod rules;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::repository;

/// Debian's promtool, as `make test` and `make e2e-observability` find it.
pub(crate) static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let output = Command::new(repository::path("scripts/tools.sh"))
        .arg("promtool")
        .output()
        .expect("run scripts/tools.sh");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
});

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
