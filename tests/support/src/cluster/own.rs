//! A cluster for one test alone: to be stopped, crashed, or spoken to in TLS.

use std::path::Path;

use super::programs::{signal_with_children, temporary_folder};
use super::server::Server;
use super::tls::{self, Tls};
use crate::database::{connect, settings};

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended and everything is written out, as by an operator.
    Fast,
    /// As in a crash: nothing is written out, the next start recovers.
    Immediate,
}

/// A PostgreSQL server of one test's own, with default durability; gone when dropped.
#[derive(Debug)]
pub struct OwnCluster {
    server: Server,
    tls: Option<Tls>,
}

impl OwnCluster {
    /// A running server.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(&temporary_folder(), "max_connections = 100\n")
    }

    /// A running server with its files below `folder` and `settings` at the end of its
    /// `postgresql.conf`.
    #[must_use]
    pub fn start_in(folder: &Path, settings: &str) -> Self {
        let mut server = Server::create(folder, settings);
        server.start();
        Self { server, tls: None }
    }

    /// A running server that accepts TLS, and nothing else on TCP.
    ///
    /// Its certificate is for `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn with_tls() -> Self {
        Self::with_certificate_for(&["localhost", "127.0.0.1"])
    }

    /// As [`OwnCluster::with_tls`], with a certificate for the given names only.
    #[must_use]
    pub fn with_certificate_for(names: &[&str]) -> Self {
        let mut server = Server::create(&temporary_folder(), "");
        let tls = tls::make(&server.home, names);
        let home = server.home.display();
        let settings =
            format!("ssl = on\nssl_cert_file = '{home}/server.crt'\nssl_key_file = '{home}/server.key'\n");
        server.append("postgresql.conf", &settings);
        std::fs::write(
            server.data().join("pg_hba.conf"),
            "hostssl all all 127.0.0.1/32 scram-sha-256\n",
        )
        .expect("write pg_hba.conf");
        server.start();
        Self {
            server,
            tls: Some(tls),
        }
    }

    /// A running standby of this server, which is stopped while it is copied.
    #[must_use]
    pub fn standby(&mut self) -> Self {
        let port = self.port();
        self.standby_in(&temporary_folder(), port)
    }

    /// The same with its files below `folder`; it finds this server at `port`, where a proxy may be
    /// in between.
    #[must_use]
    pub fn standby_in(&mut self, folder: &Path, port: u16) -> Self {
        self.stop(Stop::Fast);
        let mut server = Server::standby(&self.server, folder, port);
        self.start_again();
        server.start();
        Self { server, tls: None }
    }

    /// Ends a standby's recovery with `pg_ctl promote`; returns when it takes writes.
    pub fn promote(&self) {
        self.server.promote();
    }

    /// Sends a signal to all processes of the server, the first one first: `KILL` is a crash of the
    /// machine, `STOP` a frozen one until `CONT`.
    pub fn signal(&self, name: &str) {
        signal_with_children(name, &self.process_id().to_string());
    }

    /// Stops the server; returns when it has ended.
    pub fn stop(&mut self, how: Stop) {
        self.server.stop(match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        });
    }

    /// Starts the server again, on the same port with the same data.
    pub fn start_again(&mut self) {
        self.server.start();
    }

    /// Address of the database `postgres` for the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// Address of any database of this cluster for the superuser.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        self.server.url("postgres", &self.server.password, database)
    }

    /// Settings for the database `postgres`.
    #[must_use]
    pub fn settings(&self) -> database::Settings {
        settings(&self.url())
    }

    /// One connection to the database `postgres`, without TLS.
    pub async fn client(&self) -> tokio_postgres::Client {
        connect(&self.url()).await
    }

    /// TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The folder of the server's files; a test may put its own beside them.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.server.home
    }

    /// Process id of the server's first process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        let file = std::fs::read_to_string(self.server.data().join("postmaster.pid"));
        let id = file
            .ok()
            .and_then(|file| file.lines().next()?.trim().parse().ok());
        id.expect("a running server has a postmaster.pid")
    }

    /// Password of the superuser `postgres`.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.server.password
    }

    /// The certificates of a cluster made by [`OwnCluster::with_tls`].
    ///
    /// # Panics
    /// For a cluster without TLS.
    #[must_use]
    pub fn tls(&self) -> &Tls {
        self.tls.as_ref().expect("a cluster made with TLS")
    }

    /// The server's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}
