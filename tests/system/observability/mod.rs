//! The rules and the dashboard that compose, charts and tests share, and what the running programs export for them.

mod dashboard;
mod metrics;
mod promql;
mod rules;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Debian's promtool, as `make test` and `make e2e-observability` find it.
static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = Path::new(ROOT).join("scripts/tools/promtool.sh");
    let output = Command::new(script)
        .output()
        .expect("run scripts/tools/promtool.sh");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
});

fn file(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
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
