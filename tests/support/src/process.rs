//! The real binaries as child processes.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long [`Process::wait_output`] waits: a whole `--wait-timeout` of 60 s fits.
const PATIENCE: Duration = Duration::from_secs(90);

/// The variables that a child inherits; nothing else of this process's environment reaches it.
const INHERITED: &[&str] = &["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"];

/// A running binary; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Capture,
    stderr: Capture,
}

/// The end of a process and its output.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit status; none if a signal ended the process.
    pub code: Option<i32>,
    /// The signal that ended the process.
    pub signal: Option<i32>,
    /// Everything written to standard output.
    pub stdout: String,
    /// Everything written to standard error.
    pub stderr: String,
}

impl Output {
    /// Fails unless the process ended with this exit status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless standard error contains `text`.
    #[track_caller]
    pub fn assert_stderr(&self, text: &str) {
        assert_contains(&self.stderr, text);
    }

    /// Fails unless standard output contains `text`.
    #[track_caller]
    pub fn assert_stdout(&self, text: &str) {
        assert_contains(&self.stdout, text);
    }

    /// Fails unless the last line of standard error contains `text`.
    #[track_caller]
    pub fn assert_last_line(&self, text: &str) {
        assert_contains(self.stderr.lines().last().unwrap_or_default(), text);
    }
}

/// A log of which each line is JSON.
///
/// # Panics
/// If a line is not.
pub fn json_lines(log: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    log.lines().map(parse).collect()
}

#[track_caller]
fn assert_contains(output: &str, text: &str) {
    assert!(output.contains(text), "{text:?} is missing in:\n{output}");
}

impl Process {
    /// Starts `program`, with `environment` and the variables `INHERITED` only.
    ///
    /// Traces are switched off unless `environment` says where they go.
    #[expect(
        clippy::disallowed_methods,
        reason = "what a child inherits is no setting of a service"
    )]
    pub fn spawn<A: AsRef<OsStr>>(
        program: impl AsRef<Path>,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
    ) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("JAEGER_ENDPOINT", "none");
        command.envs(
            INHERITED
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
        let stdout = Capture::of(child.stdout.take().expect("a piped standard output"));
        let stderr = Capture::of(child.stderr.take().expect("a piped standard error"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name without `SIG`: `TERM`, `INT`, `KILL`, `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(
            status.expect("run kill").success(),
            "kill -s {name}: the process has ended already"
        );
    }

    /// Waits for the end of the process; kills it and fails the test after 90 s.
    pub async fn wait_output(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("the process did not end within {PATIENCE:?}\n{}", self.said());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Output {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }

    /// Waits until standard output or standard error contains `text`; fails the test after 60 s or
    /// when the process ends without having said it.
    pub async fn wait_for_text(&mut self, text: &str) {
        let deadline = Instant::now() + crate::PATIENCE;
        loop {
            // Asked first: text from before the end counts.
            let ended = self.ended();
            if ended.is_some() {
                self.stdout.finish();
                self.stderr.finish();
            }
            let said = self.said();
            if said.contains(text) {
                return;
            }
            assert!(
                ended.is_none(),
                "the process ended ({ended:?}) without saying {text:?}\n{said}"
            );
            assert!(
                Instant::now() < deadline,
                "the process does not say {text:?}\n{said}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The output so far: standard output, then standard error.
    #[must_use]
    pub fn said(&self) -> String {
        self.stdout.so_far() + &self.stderr.so_far()
    }

    /// The lines of the output so far that are JSON: the last one may still be on its way.
    #[must_use]
    pub fn json_lines(&self) -> Vec<Value> {
        let said = self.said();
        said.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for a line of JSON with this message, `listening` for one; the `port` in it.
    pub async fn port(&mut self, message: &str) -> u16 {
        self.wait_for_text(&format!("\"{message}\"")).await;
        let lines = self.json_lines();
        let line = lines.iter().find(|line| line["message"] == message);
        let port = line.and_then(|line| line["port"].as_u64()).expect("a port");
        port.try_into().expect("a port")
    }

    /// Whether the process still runs.
    pub fn running(&mut self) -> bool {
        self.ended().is_none()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one stream of a child on a thread of its own, so that a full pipe never stops the child.
#[derive(Debug)]
struct Capture {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                sink.lock()
                    .expect("no thread panics with the lock")
                    .extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no thread panics with the lock")).into_owned()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of a stream does not panic");
        }
    }

    fn all(&mut self) -> String {
        self.finish();
        self.so_far()
    }
}
