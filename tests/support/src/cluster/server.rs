//! One PostgreSQL server below a supervisor that dies with this process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::programs;
use crate::free_port;

/// Attempts with another free port after a port was taken meanwhile.
const PORT_ATTEMPTS: u32 = 5;

/// A cluster and the supervisor that owns it; both go when this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Server {
    supervisor: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// The cluster's own folder: `data`, `server.log`, `password`.
    pub(super) home: PathBuf,
    /// TCP port on 127.0.0.1, the same for the cluster's whole life once it has started.
    pub(super) port: u16,
    /// Of the superuser `postgres`.
    pub(super) password: String,
}

impl Server {
    /// A cluster below `folder`, with the given lines at the end of its `postgresql.conf`; not
    /// started.
    pub(super) fn create(folder: &Path, settings: &str) -> Self {
        let server = Self::copy_or_create(folder, None, random_hex());
        server.append(
            "postgresql.conf",
            "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n",
        );
        server.append("postgresql.conf", settings);
        server
    }

    /// A streaming standby of `primary`, below `folder`, that finds the primary at `port`. The
    /// primary must not run while it is copied; the standby is not started.
    pub(super) fn standby(primary: &Self, folder: &Path, port: u16) -> Self {
        let server = Self::copy_or_create(folder, Some(&primary.data()), primary.password.clone());
        let password = &primary.password;
        let source = format!("host=127.0.0.1 port={port} user=postgres password={password}");
        server.append("postgresql.conf", &format!("primary_conninfo = '{source}'\n"));
        server
    }

    fn copy_or_create(folder: &Path, primary: Option<&Path>, password: String) -> Self {
        let mut supervisor = programs::command_as_owner("sh")
            .args(["-c", include_str!("supervise.sh"), "supervise"])
            .arg(programs::folder())
            .arg(folder)
            .args(primary)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C reaches this process only; the supervisor must outlive it to clean up.
            .process_group(0)
            .spawn()
            .expect("start the supervisor of a PostgreSQL cluster");
        let mut commands = supervisor.stdin.take().expect("a piped standard input");
        let mut answers = BufReader::new(supervisor.stdout.take().expect("a piped standard output"));

        writeln!(commands, "{password}").expect("the supervisor listens");
        let mut line = String::new();
        answers.read_line(&mut line).expect("the supervisor answers");
        let home = line
            .trim()
            .strip_prefix("home ")
            .unwrap_or_else(|| panic!("no PostgreSQL cluster: {line:?}"));
        Self {
            home: PathBuf::from(home),
            commands: Some(commands),
            answers,
            supervisor,
            port: 0,
            password,
        }
    }

    /// Starts the server: on its port if it has one, else on a free one that it keeps.
    pub(super) fn start(&mut self) {
        let mut refusal = String::new();
        for _ in 0..PORT_ATTEMPTS {
            let port = if self.port == 0 { free_port() } else { self.port };
            match self.command(&format!("start {port}")) {
                Ok(()) => {
                    self.port = port;
                    return;
                }
                Err(reason) => refusal = reason,
            }
        }
        panic!("PostgreSQL does not start: {refusal}");
    }

    /// Stops the server in one of `pg_ctl`'s modes and returns when it has ended.
    pub(super) fn stop(&mut self, mode: &str) {
        if let Err(reason) = self.command(&format!("stop {mode}")) {
            panic!("PostgreSQL does not stop: {reason}");
        }
    }

    /// Appends text to a file of the data folder.
    pub(super) fn append(&self, file: &str, text: &str) {
        std::fs::OpenOptions::new()
            .append(true)
            .open(self.data().join(file))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("write into the data folder");
    }

    /// The data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// `postgres://` address of one database for one role.
    pub(super) fn url(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The server's log so far.
    pub(super) fn log(&self) -> String {
        std::fs::read(self.log_file())
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// Where the server logs.
    pub(super) fn log_file(&self) -> PathBuf {
        self.home.join("server.log")
    }

    fn command(&mut self, command: &str) -> Result<(), String> {
        let commands = self
            .commands
            .as_mut()
            .expect("the supervisor lives as long as this");
        writeln!(commands, "{command}").expect("the supervisor listens");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the supervisor answers");
        match answer.trim() {
            "done" => Ok(()),
            answer => Err(answer.to_owned()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The supervisor waits for the end of its standard input.
        drop(self.commands.take());
        let _ = self.supervisor.wait();
    }
}

/// 32 hexadecimal digits from the system's generator.
pub(crate) fn random_hex() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // RandomState is seeded by the system; a test's password needs no more.
    let number = || RandomState::new().hash_one("password");
    format!("{:016x}{:016x}", number(), number())
}
