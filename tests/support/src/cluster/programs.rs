//! Where the PostgreSQL server programs are, and as which user they run.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The major versions that the system supports, newest first.
const MAJORS: std::ops::RangeInclusive<u32> = 14..=18;

/// The folder with `postgres`, `initdb` and `pg_ctl`: the first in `PATH`, else Debian's newest.
pub(super) fn folder() -> PathBuf {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(
            MAJORS
                .rev()
                .map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))),
        )
        .find(|folder| {
            ["postgres", "initdb", "pg_ctl"]
                .iter()
                .all(|program| folder.join(program).is_file())
        })
        .expect(
            "PostgreSQL 14 to 18 is needed to run the tests: no initdb in PATH or /usr/lib/postgresql/*/bin; \
             install it with scripts/postgres/binaries.sh or `apt-get install postgresql`",
        )
}

/// A command that runs `program` as a user that PostgreSQL accepts: `postgres` when this is root.
pub(super) fn command_as_owner(program: &str) -> Command {
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
pub(super) fn temporary_folder() -> PathBuf {
    variable("TMPDIR")
        .filter(|_| !is_root())
        .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "where programs and temporary files are is no setting of a service"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
