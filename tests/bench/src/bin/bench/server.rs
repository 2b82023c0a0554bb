//! The servers that are measured, as child processes.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::usage;

const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server; killed when dropped, and when this process ends.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts `program` with nothing in its environment but `environment`; returns once `path` is
    /// answered with 200.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, String)],
        (port, path): (u16, &str),
        log: &Path,
    ) -> anyhow::Result<Server> {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(log)?);
        let child = command
            .spawn()
            .with_context(|| format!("start {} by setpriv of util-linux", program.display()))?;
        let mut server = Server { child, port };
        let deadline = Instant::now() + READY_TIMEOUT;
        while !server.answers(path) {
            let ended = server.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let (program, log) = (program.display(), std::fs::read_to_string(log)?);
                bail!("{program} is not ready, or has ended ({ended:?}): {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn answers(&self, path: &str) -> bool {
        let answer = ureq::get(self.url(path)).call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Where `path` is answered.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it has held resident so far, in MB.
    pub(crate) fn most_memory_mb(&self) -> anyhow::Result<f64> {
        usage::most_memory_mb(self.process())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
