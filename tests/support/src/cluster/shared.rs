//! The server that all tests of one process share, each with a database of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};

use tokio::sync::oneshot;

use super::programs::temporary_folder;
use super::server::{Server, random_hex};
use crate::database::{connect, settings};

/// Owns the databases of the tests: no superuser, as in production.
const ROLE: &str = "order_food";

/// Durability is given up for speed: nothing here outlives the process.
const SETTINGS: &str = "
max_connections = 400
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '256MB'
log_line_prefix = '%d %a '
";

/// A password in clear: SCRAM costs an unoptimized client 50 ms of processor time per connection.
const ACCESS: &str = "host all all 127.0.0.1/32 password\n";

/// Which database a test wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// No tables at all.
    Empty,
    /// The newest schema, no rows.
    Migrated,
}

/// The PostgreSQL server shared by all tests of this process.
///
/// It starts with the first test that asks for it and goes with the process.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    password: String,
    admin_url: String,
    log: PathBuf,
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    name: String,
    content: Content,
    done: oneshot::Sender<()>,
}

impl Cluster {
    /// The server of this process, started if it does not run yet.
    ///
    /// # Panics
    /// When there is no PostgreSQL on this machine; the message says how to get it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Address of the database `postgres` for the superuser.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address of a database for the role that owns the tests' databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{ROLE}:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// The server's log so far; each line begins with database and application name.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// Lets the server log every statement of the sessions that are opened from now on.
    pub async fn log_statements_of(&self, database: &crate::TestDatabase) {
        let admin = connect(&self.admin_url).await;
        run(
            &admin,
            &format!("ALTER DATABASE {} SET log_statement = 'all'", database.name()),
        )
        .await;
    }

    /// Creates a database and returns its name.
    pub(crate) async fn create_database(&self, content: Content) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (done, created) = oneshot::channel();
        self.requests
            .send(Request {
                name: name.clone(),
                content,
                done,
            })
            .expect("the cluster's clerk lives");
        created.await.expect("the cluster's clerk creates a database");
        name
    }

    fn start() -> Self {
        let mut server = Server::create(&temporary_folder(), SETTINGS);
        let password = random_hex();
        std::fs::write(server.data().join("pg_hba.conf"), ACCESS).expect("write pg_hba.conf");
        server.start();
        let (requests, inbox) = mpsc::channel();
        let clerk = Clerk {
            admin_url: server.url("postgres", &server.password, "postgres"),
            template_url: server.url(ROLE, &password, TEMPLATE),
            password: password.clone(),
        };
        let cluster = Self {
            port: server.port,
            password,
            admin_url: clerk.admin_url.clone(),
            log: server.log_file(),
            requests,
        };
        std::thread::Builder::new()
            .name("postgres clerk".into())
            .stack_size(8 << 20)
            .spawn(move || {
                let _server = server;
                clerk.work(inbox);
            })
            .expect("start a thread");
        cluster
    }
}

/// The database that migrated databases are copies of.
const TEMPLATE: &str = "migrated";

/// Creates databases one after another, on a thread and connection of its own: a connection
/// belongs to its runtime, and each test has its own; a template must not be copied twice at once.
struct Clerk {
    admin_url: String,
    template_url: String,
    password: String,
}

impl Clerk {
    fn work(self, inbox: mpsc::Receiver<Request>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let admin = runtime.block_on(async {
            let admin = connect(&self.admin_url).await;
            run(
                &admin,
                &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{}'", self.password),
            )
            .await;
            run(&admin, &format!("GRANT pg_read_all_stats TO {ROLE}")).await;
            admin
        });
        let mut template_made = false;
        while let Ok(request) = inbox.recv() {
            runtime.block_on(async {
                let template = match request.content {
                    Content::Empty => "template0",
                    Content::Migrated => {
                        if !template_made {
                            self.make_template(&admin).await;
                            template_made = true;
                        }
                        TEMPLATE
                    }
                };
                run(
                    &admin,
                    &format!(
                        "CREATE DATABASE {} TEMPLATE {template} OWNER {ROLE}",
                        request.name
                    ),
                )
                .await;
            });
            // A test that no longer waits has failed already.
            let _ = request.done.send(());
        }
    }

    async fn make_template(&self, admin: &tokio_postgres::Client) {
        run(
            admin,
            &format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0 OWNER {ROLE}"),
        )
        .await;
        let database =
            database::Database::new(&settings(&self.template_url), "template").expect("settings of a test");
        database_migration::up(&database)
            .await
            .expect("migrate the template");
        // Copying waits until the last session has left; no other may begin.
        run(
            admin,
            &format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"),
        )
        .await;
    }
}

async fn run(client: &tokio_postgres::Client, sql: &str) {
    client
        .batch_execute(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}
