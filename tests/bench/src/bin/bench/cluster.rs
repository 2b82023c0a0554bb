//! A PostgreSQL server of this run's own, with default durability; gone when the run ends, however it ends.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail, ensure};

/// Ends the server and removes its files when its standard input ends.
const SUPERVISE: &str = include_str!("../../../../support/src/cluster/supervise.sh");

/// Nothing of durability: where the server listens, and room for the connections of several servers.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
";

pub(crate) struct Cluster {
    supervisor: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    home: PathBuf,
    password: String,
    pub(crate) port: u16,
}

impl Cluster {
    /// A running server whose files lie in a folder of their own below `folder`.
    pub(crate) fn start(programs: &Path, folder: &Path) -> anyhow::Result<Cluster> {
        let mut supervisor = as_owner("sh")
            .args(["-c", SUPERVISE, "supervise"])
            .args([programs, folder])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C reaches this process only; the supervisor must outlive it to clean up.
            .process_group(0)
            .spawn()
            .context("start the supervisor of PostgreSQL")?;
        let commands = supervisor.stdin.take();
        let answers = supervisor.stdout.take().context("a piped standard output")?;
        let mut cluster = Cluster {
            supervisor,
            commands,
            answers: BufReader::new(answers),
            home: PathBuf::new(),
            password: password(),
            port: free_port()?,
        };
        let password = cluster.password.clone();
        let answer = cluster.command(&password)?;
        let home = answer.strip_prefix("home ").map(PathBuf::from);
        cluster.home =
            home.with_context(|| format!("no PostgreSQL cluster in {}: {answer}", folder.display()))?;
        let settings = cluster.home.join("data/postgresql.conf");
        std::fs::OpenOptions::new()
            .append(true)
            .open(settings)?
            .write_all(SETTINGS.as_bytes())?;
        let answer = cluster.command(&format!("start {}", cluster.port))?;
        ensure!(answer == "done", "PostgreSQL does not start: {answer}");
        Ok(cluster)
    }

    fn command(&mut self, command: &str) -> anyhow::Result<String> {
        let Some(commands) = &mut self.commands else {
            bail!("the supervisor of PostgreSQL is gone");
        };
        writeln!(commands, "{command}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// The address of a database for the superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// The superuser's password.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The process id of the first process of the server.
    pub(crate) fn process(&self) -> anyhow::Result<u32> {
        let file = std::fs::read_to_string(self.home.join("data/postmaster.pid"))?;
        let line = file.lines().next().context("an empty postmaster.pid")?;
        Ok(line.trim().parse()?)
    }

    /// Where the files lie.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.supervisor.wait();
    }
}

/// PostgreSQL refuses to run as root.
fn as_owner(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "postgres",
        "--regid",
        "postgres",
        "--init-groups",
        "--",
        program,
    ]);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A TCP port on 127.0.0.1 that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket.local_addr()?.port())
}

/// `RandomState` is seeded by the system; the password of a few minutes needs no more.
fn password() -> String {
    use std::hash::{BuildHasher, RandomState};
    let number = || RandomState::new().hash_one("password");
    format!("{:016x}{:016x}", number(), number())
}
