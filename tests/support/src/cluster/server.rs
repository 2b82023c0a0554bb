//! One PostgreSQL server that ends with this process.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::ending::Ending;
use super::programs::{command_as_owner, folder, owned_folder};
use crate::free_port;

/// Attempts with another free port after a port was taken meanwhile.
const PORT_ATTEMPTS: u32 = 5;

/// A cluster and what ends it; both go when this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Server {
    _ending: Ending,
    programs: PathBuf,
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
        let server = Self::empty(folder, random_hex());
        let file = server.home.join("password");
        std::fs::write(&file, &server.password).expect("write the superuser's password");
        let password = format!("--pwfile={}", file.display());
        let made = server.run(
            "initdb",
            &[
                "--no-sync",
                "--username=postgres",
                &password,
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
            ],
        );
        made.unwrap_or_else(|problem| panic!("no PostgreSQL cluster: {problem}"));
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
        let server = Self::empty(folder, primary.password.clone());
        // Not pg_basebackup: not every server comes with it.
        let copied = command_as_owner("cp")
            .arg("-a")
            .args([primary.data(), server.data()])
            .current_dir("/")
            .output()
            .expect("run cp");
        assert!(copied.status.success(), "no copy of a cluster: {copied:?}");
        std::fs::write(server.data().join("standby.signal"), "").expect("mark a standby");
        let password = &primary.password;
        let source = format!("host=127.0.0.1 port={port} user=postgres password={password}");
        server.append("postgresql.conf", &format!("primary_conninfo = '{source}'\n"));
        server
    }

    /// The folder of a cluster to be.
    fn empty(folder: &Path, password: String) -> Self {
        let home = owned_folder(folder, "order-food-test");
        Self {
            _ending: Ending::of(&home),
            programs: self::folder(),
            home,
            port: 0,
            password,
        }
    }

    /// Starts the server: on its port if it has one, else on a free one that it keeps.
    pub(super) fn start(&mut self) {
        let mut refusal = String::new();
        for _ in 0..PORT_ATTEMPTS {
            let port = if self.port == 0 { free_port() } else { self.port };
            let log = self.log_file().display().to_string();
            match self.pg_ctl("start", &["-o", &format!("-p {port}"), "-l", &log]) {
                Ok(()) => {
                    self.port = port;
                    return;
                }
                Err(problem) => refusal = format!("{problem} {}", self.log()),
            }
        }
        panic!("PostgreSQL does not start: {refusal}");
    }

    /// Stops the server in one of `pg_ctl`'s modes and returns when it has ended; it may have ended
    /// by itself.
    pub(super) fn stop(&self, mode: &str) {
        if self.data().join("postmaster.pid").exists() {
            let stopped = self.pg_ctl("stop", &["-m", mode]);
            stopped.unwrap_or_else(|problem| panic!("PostgreSQL does not stop: {problem}"));
        }
    }

    /// Ends a standby's recovery; returns when it takes writes.
    pub(super) fn promote(&self) {
        let promoted = self.pg_ctl("promote", &[]);
        promoted.unwrap_or_else(|problem| panic!("PostgreSQL is not promoted: {problem}"));
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

    /// Waits at most 60 s.
    fn pg_ctl(&self, what: &str, words: &[&str]) -> Result<(), String> {
        self.run("pg_ctl", &[&[what, "-w", "-t", "60"], words].concat())
    }

    /// Runs a program on the data folder.
    fn run(&self, program: &str, words: &[&str]) -> Result<(), String> {
        let output = command_as_owner(&self.programs.join(program).display().to_string())
            .arg("-D")
            .arg(self.data())
            .args(words)
            .env("LC_ALL", "C")
            .current_dir("/")
            .output()
            .expect("run a program of PostgreSQL");
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{program}: {output:?}")),
        }
    }
}

/// 32 hexadecimal digits from the system's generator.
pub(crate) fn random_hex() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    // RandomState is seeded by the system; a test's password needs no more.
    let number = || RandomState::new().hash_one("password");
    format!("{:016x}{:016x}", number(), number())
}
