//! The signals that ask a process to stop.

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled on the first SIGTERM or SIGINT.
///
/// A second signal ends the process at once, with 143 (SIGTERM) or 130 (SIGINT). The signals are
/// awaited on a thread of their own, so that a busy or blocked runtime cannot hide them. Call once
/// per process, as early as possible: until then a signal ends the process by default.
#[must_use]
pub fn shutdown() -> CancellationToken {
    let token = CancellationToken::new();
    if let Err(error) = listen(token.clone()) {
        tracing::warn!(error = %error, "signals keep their default action: the process will not stop gracefully");
    }
    token
}

fn listen(token: CancellationToken) -> std::io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    // Both handlers stand before this returns: no signal falls between.
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = async move {
        loop {
            let status = tokio::select! {
                _ = terminate.recv() => 143,
                _ = interrupt.recv() => 130,
            };
            if token.is_cancelled() {
                std::process::exit(status);
            }
            token.cancel();
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(wait))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _, stdout};
    use std::process::{Child, ChildStdout, Command, Stdio};

    use crate::child;

    const TEST: &str = "the_first_signal_asks_and_the_second_ends_the_process";

    /// A process that waits for signals and ends at the second one only.
    struct Waiting(Child, BufReader<ChildStdout>);

    impl Waiting {
        fn start() -> Self {
            let mut child = child::again(module_path!(), TEST)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            let mut waiting = Self(child, output);
            waiting.says("ready");
            waiting
        }

        fn says(&mut self, expected: &str) {
            let mut lines = self.1.by_ref().lines().map(Result::unwrap);
            assert!(lines.any(|line| line == expected), "never said {expected}");
        }

        fn signal(&self, name: &str) {
            let kill = Command::new("sh")
                .args(["-c", &format!("kill -{name} {}", self.0.id())])
                .status();
            assert!(kill.unwrap().success());
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn wait_for_signals() {
        let asked_to_stop = super::shutdown();
        // The test harness may have begun the line.
        writeln!(stdout(), "\nready").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(asked_to_stop.cancelled());
        writeln!(stdout(), "cancelled").unwrap();
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn the_first_signal_asks_and_the_second_ends_the_process() {
        if child::is_asked() {
            return wait_for_signals();
        }
        for (first, second, status) in [("TERM", "TERM", 143), ("INT", "TERM", 143), ("TERM", "INT", 130)] {
            let mut process = Waiting::start();

            process.signal(first);
            process.says("cancelled");
            assert_eq!(process.0.try_wait().unwrap(), None);

            process.signal(second);
            assert_eq!(process.0.wait().unwrap().code(), Some(status));
        }
    }
}
