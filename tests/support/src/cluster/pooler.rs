//! A PgBouncer between a test and its server.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::programs::{command_as_owner, give_to_owner, owned_folder, temporary_folder, tool};
use crate::free_port;

/// How PgBouncer hands out the sessions of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// `pool_mode = transaction`
    Transaction,
    /// The same with `server_round_robin = 1`: the session that was free for longest comes first.
    RoundRobin,
    /// `pool_mode = session`
    Session,
    /// `pool_mode = statement`
    Statement,
}

/// A running PgBouncer in front of one server; gone when dropped.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    home: PathBuf,
    /// Of the database behind it, with this one's port.
    url: String,
    port: u16,
}

impl Pooler {
    /// Starts one in front of the database at `url`, with at most `size` sessions of each role.
    #[must_use]
    pub fn start(url: &str, pooling: Pooling, size: u32) -> Self {
        let (role, password, host, server_port, rest) = parts(url);
        let home = owned_folder(&temporary_folder(), "order-food-pooler");
        let port = free_port();
        let mode = match pooling {
            Pooling::Transaction => "transaction",
            Pooling::RoundRobin => "transaction\nserver_round_robin = 1",
            Pooling::Session => "session",
            Pooling::Statement => "statement",
        };
        let users = home.join("users.txt");
        let settings = format!(
            "[databases]\n* = host={host} port={server_port}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = {size}\n\
             max_client_conn = 200\nadmin_users = {role}\nlogfile = {}\n",
            users.display(),
            home.join("pooler.log").display(),
        );
        let file = home.join("pgbouncer.ini");
        std::fs::write(&file, settings).expect("write the pooler's settings");
        std::fs::write(&users, format!("\"{role}\" \"{password}\"\n")).expect("write the pooler's users");
        give_to_owner(&file);
        give_to_owner(&users);
        let process = command_as_owner(&tool("pgbouncer").display().to_string())
            .args(["-q".as_ref(), file.as_os_str()])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start PgBouncer");
        let url = format!("postgres://{role}:{password}@127.0.0.1:{port}/{rest}");
        let pooler = Self {
            process,
            home,
            url,
            port,
        };
        pooler.wait();
        pooler
    }

    /// Address of the same database through this pooler.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait(&self) {
        let deadline = Instant::now() + crate::PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.home.join("pooler.log"));
            assert!(Instant::now() < deadline, "PgBouncer does not start: {:?}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// Role, password, host, port, and what follows the slash.
fn parts(url: &str) -> (&str, &str, &str, &str, &str) {
    let parts = url.strip_prefix("postgres://").and_then(|url| {
        let (credentials, rest) = url.split_once('@')?;
        let (role, password) = credentials.split_once(':')?;
        let (address, rest) = rest.split_once('/')?;
        let (host, port) = address.split_once(':')?;
        Some((role, password, host, port, rest))
    });
    parts.unwrap_or_else(|| panic!("not an address of a test: {url}"))
}
