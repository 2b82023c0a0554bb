//! Where the PostgreSQL server programs are, and as which user they run.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder with `postgres`, `initdb` and `pg_ctl`, as the script of `make run` finds it.
///
/// # Panics
/// When there is none and the script cannot install one; its message is on standard error.
pub(crate) fn folder() -> PathBuf {
    path_from("postgres/binaries.sh", &[])
}

/// A tool, found or brought by the script that brings tools.
///
/// # Panics
/// When the script cannot bring it; its message is on standard error.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    path_from("tools.sh", &[name])
}

/// The path that a script prints.
fn path_from(script: &str, arguments: &[&str]) -> PathBuf {
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts"));
    let mut command = Command::new(scripts.join(script));
    let output = command.args(arguments).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("run {script}: {error}"));
    assert!(output.status.success(), "{script} {arguments:?} finds nothing");
    let path = String::from_utf8(output.stdout).expect("a path");
    PathBuf::from(path.trim_end())
}

/// A command that runs `program` as a user that PostgreSQL accepts: `postgres` when this is root.
pub(crate) fn command_as_owner(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let found = |tool: &str| {
        ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
            .iter()
            .any(|at| Path::new(at).join(tool).exists())
    };
    let mut command;
    if found("setpriv") {
        command = Command::new("setpriv");
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--init-groups",
            "--",
            program,
        ]);
    } else {
        assert!(
            found("runuser"),
            "the tests run as root and need setpriv or runuser to start PostgreSQL"
        );
        command = Command::new("runuser");
        command.args(["-u", "postgres", "--", program]);
    }
    command
}

/// Where clusters are put: `TMPDIR`, or `/tmp` when that is not set or this is root, whose own
/// temporary folder the user `postgres` may not reach.
pub(crate) fn temporary_folder() -> PathBuf {
    variable("TMPDIR")
        .filter(|_| !is_root())
        .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// A new folder that only the user of [`command_as_owner`] may enter.
pub(crate) fn owned_folder(below: &Path, name: &str) -> PathBuf {
    let home = below.join(format!("{name}-{}", super::random_hex()));
    std::fs::create_dir(&home).unwrap_or_else(|error| panic!("make {}: {error}", home.display()));
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).expect("protect a folder");
    give_to_owner(&home);
    home
}

/// Lets the user of [`command_as_owner`] read a file or enter a folder.
pub(crate) fn give_to_owner(path: &Path) {
    if is_root() {
        let id = |flag: &str| {
            let output = Command::new("id").args([flag, "postgres"]).output();
            let output = output.expect("run id");
            let text = String::from_utf8(output.stdout).expect("a number");
            text.trim().parse().expect("the id of the user postgres")
        };
        chown(path, Some(id("-u")), Some(id("-g"))).expect("give a file to the user postgres");
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Sends a signal to a process and its children, the process first; a child may have ended by then.
pub(crate) fn signal_with_children(name: &str, process: &str) {
    let script = "children=$(cat /proc/$1/task/$1/children) && kill -s $0 $1 && \
        for child in $children; do kill -s $0 $child || [ ! -d /proc/$child ] || exit 1; done";
    let status = Command::new("sh").args(["-c", script, name, process]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "where programs and temporary files are is no setting of a service"
)]
pub(crate) fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
