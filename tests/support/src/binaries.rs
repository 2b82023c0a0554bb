//! Where the executables of the services are, for tests of another package.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::SystemTime;

/// The executable of a service (`order-food`, `database-load`, `database-migration`), built if it
/// is missing or older than its sources.
///
/// `cargo test --workspace` builds it anyway, next to the tests; then this only looks it up.
///
/// # Panics
/// When it does not build.
pub fn binary(name: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock().expect("no thread panics with the lock");
    let folder = profile_folder();
    let path = folder.join(name);
    if !is_fresh(&path) {
        build(name, &folder);
        assert!(
            path.is_file(),
            "cargo build -p {name} did not make {}",
            path.display()
        );
    }
    path
}

/// `target/debug` of the test that runs, wherever `CARGO_TARGET_DIR` has put it: tests lie in
/// `deps`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    test.parent()
        .and_then(Path::parent)
        .expect("a test lies in target/<profile>/deps")
        .to_owned()
}

/// Whether a binary is there and not older than any source that cargo noted for it.
fn is_fresh(binary: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let Some(built) = changed(binary) else {
        return false;
    };
    let Ok(sources) = std::fs::read_to_string(binary.with_extension("d")) else {
        return false;
    };
    let is_older = |source: &str| changed(Path::new(source)).is_some_and(|at: SystemTime| at <= built);
    sources
        .lines()
        .filter_map(|line| line.split_once(": "))
        .all(|(_, list)| list.split(' ').all(is_older))
}

fn build(name: &str, folder: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = folder
        .parent()
        .expect("a profile's folder lies in the target folder");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--locked", "-p", name, "--bin", name])
        .current_dir(workspace);
    command.arg("--target-dir").arg(target);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("run cargo");
    assert!(status.success(), "cargo build -p {name} failed");
}
