//! Processor time and memory of processes, from /proc.

use std::process::Command;

use anyhow::Context;
use serde::Serialize;

/// Seconds of processor time that a run took, by whom.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Processor {
    pub(crate) server: f64,
    pub(crate) database: f64,
    pub(crate) load: f64,
    /// By everybody else, the kernel's own threads and a host's other guests included.
    pub(crate) others: f64,
}

/// The fields of /proc/PID/stat that matter here, in clock ticks.
struct Stat {
    parent: u32,
    own: u64,
    children: u64,
}

impl Processor {
    /// What was used up to now. The children of this process that have ended are the load
    /// generators.
    pub(crate) fn now(server: Option<u32>, database: u32) -> anyhow::Result<Processor> {
        let ticks = ticks_per_second()?;
        let seconds = |count: u64| count as f64 / ticks;
        let mut of_database = stat(database).map_or(0, |stat| stat.own + stat.children);
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Processes come and go meanwhile.
            of_database += stat(process)
                .filter(|stat| stat.parent == database)
                .map_or(0, |stat| stat.own);
        }
        let of_server = server.and_then(stat).map_or(0, |stat| stat.own);
        let of_load = stat(std::process::id()).map_or(0, |stat| stat.children);
        Ok(Processor {
            server: seconds(of_server),
            database: seconds(of_database),
            load: seconds(of_load),
            others: seconds(busy()?) - seconds(of_server + of_database + of_load),
        })
    }

    pub(crate) fn since(self, before: Processor) -> Processor {
        Processor {
            server: self.server - before.server,
            database: self.database - before.database,
            load: self.load - before.load,
            others: (self.others - before.others).max(0.0),
        }
    }
}

/// Clock ticks during which a processor was not idle, from /proc/stat: user, nice, system, irq,
/// softirq and steal.
fn busy() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("an empty /proc/stat")?;
    let counts = line.split_ascii_whitespace().skip(1);
    Ok(counts
        .zip(0..8)
        .filter(|(_, column)| ![3, 4].contains(column))
        .filter_map(|(count, _)| count.parse::<u64>().ok())
        .sum())
}

fn stat(process: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The command's name, in parentheses, may hold blanks.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own: number(11)? + number(12)?,
        children: number(13)? + number(14)?,
    })
}

fn ticks_per_second() -> anyhow::Result<f64> {
    let output = Command::new("getconf").arg("CLK_TCK").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The most memory that a process has held resident so far, in MB of a million bytes.
pub(crate) fn most_memory_mb(process: u32) -> anyhow::Result<f64> {
    memory_of(process, "VmHWM:")
}

/// The memory that a process holds resident now, in MB of a million bytes.
pub(crate) fn memory_mb(process: u32) -> anyhow::Result<f64> {
    memory_of(process, "VmRSS:")
}

fn memory_of(process: u32, field: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .with_context(|| format!("no {field} in /proc/PID/status"))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
