//! What a process took, by the kernel's own figures.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// What a process, and whom it waited for, took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// From its start to its end.
    pub(crate) wall_s: f64,
    /// Processor time, of the program and of the kernel for it.
    pub(crate) user_s: f64,
    pub(crate) system_s: f64,
    /// Most memory that was resident at a time.
    pub(crate) peak_bytes: u64,
    /// Everything that was written, to files and to pipes, by the process itself.
    pub(crate) written_bytes: u64,
}

impl Figures {
    pub(crate) fn wall(&self) -> f64 {
        self.wall_s
    }

    pub(crate) fn processor_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

/// Runs a command whose standard output goes to `stdout`.
///
/// A process of its own in between runs nothing else: what the kernel counts for its children is
/// the command's.
pub(crate) fn measure(command: &[OsString], stdout: &Path) -> anyhow::Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args([
            "measure".as_ref(),
            "--stdout".as_ref(),
            stdout.as_os_str(),
            "--".as_ref(),
        ])
        .args(command)
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "{}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process in between.
pub(crate) fn run(stdout: &Path, command: &[OsString]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(stdout)?)
        .spawn()
        .with_context(|| program.to_string_lossy().into_owned())?;
    let pid = child.id();
    // Its end is waited for without forgetting it: the kernel still knows what it wrote.
    let id = Id::Pid(Pid::from_raw(pid.try_into()?));
    waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
    let wall_s = begun.elapsed().as_secs_f64();
    let written_bytes = written(pid).unwrap_or_default();
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "{status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let figures = Figures {
        wall_s,
        user_s: seconds(usage.user_time()),
        system_s: seconds(usage.system_time()),
        // Linux counts in KiB.
        peak_bytes: u64::try_from(usage.max_rss())? * 1024,
        written_bytes,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

fn written(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let bytes = io.lines().find_map(|line| line.strip_prefix("wchar: "))?;
    bytes.trim().parse().ok()
}
