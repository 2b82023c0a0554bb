//! What needs a Docker daemon, a cluster or minutes: ignored here, run by `make e2e-…` one by one.

mod api_server;
mod compose;
mod failover;
mod init_jobs;
mod kubernetes;
mod observability;
mod traffic;
mod workers;

use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::repository;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Prints what was shown, and when.
#[expect(clippy::print_stdout, reason = "a person watches")]
fn proved(text: &str) {
    println!("{:4} s  {text}", START.elapsed().as_secs());
}

/// Asks again and again until `condition` holds; fails the test after so many seconds.
async fn within(seconds: u64, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !condition().await {
        assert!(
            since.elapsed().as_secs() < seconds,
            "not within {seconds} s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A shell in the repository's folder, for commands as a person types them.
struct Shell {
    prelude: &'static str,
    environment: Vec<(&'static str, String)>,
}

impl Shell {
    /// The prelude defines functions that the commands use.
    fn new(prelude: &'static str) -> Shell {
        LazyLock::force(&START);
        Shell {
            prelude,
            environment: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Shell {
        self.environment.push((name, value.to_string()));
        self
    }

    /// Exit code, and everything that was printed.
    fn run(&self, script: &str) -> (i32, String) {
        let script = format!("set -euo pipefail; exec 2>&1\n{}\n{script}", self.prelude);
        let output = self.command(&script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), said)
    }

    /// What a command that succeeds printed to standard output, without white space around it.
    fn ok(&self, script: &str) -> String {
        let whole = format!("set -euo pipefail\n{}\n{script}", self.prelude);
        let output = self.command(&whole).output().unwrap();
        let [said, complaint] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        assert!(output.status.success(), "{script}\n{said}\n{complaint}");
        said
    }

    fn number(&self, script: &str) -> usize {
        let said = self.ok(script);
        said.parse().unwrap_or_else(|_| panic!("{script}: {said}"))
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-c", script])
            .current_dir(repository::path(""))
            .stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
