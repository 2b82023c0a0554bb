//! The machine and the PostgreSQL server of a report.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::sql::Sql;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processors: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    pub(crate) postgresql: String,
    /// fsync, synchronous_commit, full_page_writes, wal_sync_method, shared_buffers.
    pub(crate) durability: String,
    pub(crate) load_generator: String,
}

impl Machine {
    pub(crate) fn of(home: &Path, sql: &Sql) -> anyhow::Result<Machine> {
        let shown = [
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "wal_sync_method",
            "shared_buffers",
        ];
        let mut durability = Vec::new();
        for name in shown {
            durability.push(format!("{name} = {}", sql.text(&format!("SHOW {name}"))?));
        }
        Ok(Machine {
            processors: std::thread::available_parallelism()?.get(),
            processor: processor(),
            kernel: line(0, "uname", &["-sr"]),
            file_system: line(1, "df", &["--output=fstype", &home.to_string_lossy()]),
            postgresql: sql.text("SHOW server_version")?,
            durability: durability.join(", "),
            load_generator: line(0, "wrk", &["-v"]),
        })
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// One line of the output of a program, up to a copyright; `wrk -v` exits with 1, so the status is
/// not checked.
fn line(number: usize, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().nth(number).unwrap_or_default();
    line.split(" Copyright")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
