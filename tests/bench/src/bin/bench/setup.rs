//! What all measurements share: PostgreSQL, a database to copy, servers, and checks of rows.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use test_support::{OwnCluster, free_port};

use crate::Arguments;
use crate::figures::Run;
use crate::load::{self, Requests};
use crate::pgbench;
use crate::report::Check;
use crate::server::Server;
use crate::spans::Collector;
use crate::sql::{Sql, Stored};
use crate::usage::Processor;

pub(crate) struct Setup {
    pub(crate) arguments: Arguments,
    pub(crate) cluster: OwnCluster,
    pub(crate) admin: Sql,
    collector: Collector,
    script: PathBuf,
    binaries: PathBuf,
    checks: RefCell<Vec<Check>>,
}

/// A database of one measurement.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) sql: Sql,
    pub(crate) url: String,
}

/// What becomes of the orders that are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// They are answered 200 and stored.
    Everything,
    /// They are answered 200 and thrown away: the floor.
    Nothing,
    /// None is answered 200, and none is stored.
    Refused,
}

/// Seconds of load before a run is measured.
const WARM_UP_S: u64 = 1;

const SCRIPT: &str = include_str!("../../../wrk/load.lua");

/// What every other database is a copy of: migrated, loaded, vacuumed and analyzed, and no order in
/// it.
const TEMPLATE: &str = "shop";

/// A promotion with uses left for ever, and one without any.
const PROMOTIONS: &str = "
    INSERT INTO promotions (code, kind, value, max_uses) VALUES
        ('HOTDEAL', 'percentage', 10, 1000000000), ('SOLDOUT', 'percentage', 10, 1000);
    INSERT INTO promotion_uses (code, uses) VALUES ('SOLDOUT', 1000)";

/// Writes as much WAL as there may be before its files are used again. A server in use writes over
/// the files that it has; one that has just begun fills new ones with zeros first, 16 MB at a time,
/// while orders wait.
const FILL_WAL: &str = "
    DO $$
    BEGIN
        FOR file IN 1 .. pg_size_bytes(current_setting('max_wal_size')) / pg_size_bytes(current_setting('wal_segment_size')) LOOP
            PERFORM pg_logical_emit_message(false, 'bench', 'fill');
            PERFORM pg_switch_wal();
        END LOOP;
    END
    $$";

impl Setup {
    pub(crate) fn new(arguments: Arguments) -> anyhow::Result<Setup> {
        let cluster = OwnCluster::start_in(&arguments.folder, "max_connections = 300\n");
        let admin = Sql::connect(&cluster.url())?;
        let script = cluster.home().join("load.lua");
        std::fs::write(&script, SCRIPT)?;
        let program = std::env::current_exe()?;
        let setup = Setup {
            collector: Collector::start()?,
            script,
            binaries: program.parent().context("a folder of programs")?.to_owned(),
            checks: RefCell::default(),
            arguments,
            cluster,
            admin,
        };
        setup.make_template()?;
        Ok(setup)
    }

    fn make_template(&self) -> anyhow::Result<()> {
        self.admin.run(&format!("CREATE DATABASE {TEMPLATE}"))?;
        self.fill(&self.cluster.database_url(TEMPLATE))
    }

    /// Migrates and loads the database at `url`, without orders.
    pub(crate) fn fill(&self, url: &str) -> anyhow::Result<()> {
        let data = self.arguments.data.to_string_lossy().into_owned();
        for program in ["database-migration", "database-load"] {
            let output = Command::new(self.binaries.join(program))
                .env("DATABASE_URL", url)
                .env("DATA_DIR", &data)
                .env("JAEGER_ENDPOINT", "none")
                .output()
                .with_context(|| format!("run {program}"))?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{program}: {said}");
        }
        let sql = Sql::connect(url)?;
        sql.run(&format!(
            "DELETE FROM order_items; DELETE FROM orders; {PROMOTIONS}"
        ))?;
        sql.run("VACUUM ANALYZE")
    }

    /// A new database without orders, called `name`; an earlier one of that name is gone.
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<Database> {
        self.admin
            .run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        self.admin
            .run(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))?;
        self.admin.run(FILL_WAL)?;
        self.admin.run("CHECKPOINT")?;
        let url = self.cluster.database_url(name);
        Ok(Database {
            name: name.to_owned(),
            sql: Sql::connect(&url)?,
            url,
        })
    }

    /// The file of a program that is built beside this one.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    pub(crate) fn order_food(&self, database: &Database) -> anyhow::Result<Server> {
        self.start(&self.binaries.join("order-food"), &[], database, &[])
    }

    /// The same with other settings.
    pub(crate) fn order_food_with(
        &self,
        database: &Database,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Server> {
        self.start(&self.binaries.join("order-food"), &[], database, settings)
    }

    /// The build of --before, if there is one.
    pub(crate) fn before(&self, database: &Database) -> anyhow::Result<Option<Server>> {
        let program = self.arguments.before.as_ref();
        program
            .map(|program| self.start(program, &[], database, &[]))
            .transpose()
    }

    pub(crate) fn floor(&self, database: &Database) -> anyhow::Result<Server> {
        self.start(&self.binaries.join("bench-floor"), &[], database, &[])
    }

    pub(crate) fn one_transaction(&self, database: &Database) -> anyhow::Result<Server> {
        let size = self.arguments.transactions.to_string();
        let program = self.binaries.join("bench-one-transaction");
        self.start(&program, &[], database, &[("POOL_SIZE", size)])
    }

    /// A worker that may deliver to this machine.
    pub(crate) fn worker(&self, database: &Database, more: &[(&str, String)]) -> anyhow::Result<Server> {
        let own = [("WEBHOOK_ALLOW_PRIVATE", "true".to_owned())];
        let program = self.binaries.join("order-food");
        self.start(&program, &["worker"], database, &[&own, more].concat())
    }

    /// Runs a command of order-food, such as `jobs pause …`.
    pub(crate) fn order_food_command(&self, database: &Database, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new(self.binaries.join("order-food"))
            .args(arguments)
            .env("DATABASE_URL", &database.url)
            .env("WEBHOOK_ALLOW_PRIVATE", "true")
            .env("JAEGER_ENDPOINT", "none")
            .output()
            .context("run order-food")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "order-food {arguments:?}: {said}");
        Ok(())
    }

    /// Bare actix-web with the bytes that `like` answers.
    pub(crate) fn bare(&self, like: &Server) -> anyhow::Result<Server> {
        let port = free_port();
        let mut arguments = vec![port.to_string()];
        for (name, path) in [("list", "/api/product"), ("one", "/api/product/1")] {
            let file = self.cluster.home().join(name);
            let body = ureq::get(like.url(path)).call()?.body_mut().read_to_vec()?;
            std::fs::write(&file, body)?;
            arguments.push(file.to_string_lossy().into_owned());
        }
        let log = self.log("bench-bare");
        let program = self.binaries.join("bench-bare");
        Server::start(&program, arguments, &[], (port, "/api/product"), &log)
    }

    /// Prometheus on, 1 % of the requests traced, everything else as it is by default.
    pub(crate) fn start(
        &self,
        program: &Path,
        arguments: &[&str],
        database: &Database,
        more: &[(&str, String)],
    ) -> anyhow::Result<Server> {
        let port = free_port();
        let collector = format!("http://127.0.0.1:{}/v1/traces", self.collector.port);
        let mut environment = vec![
            ("DATABASE_URL", database.url.clone()),
            ("BIND_ADDRESS", "127.0.0.1".to_owned()),
            ("PORT", port.to_string()),
            ("ENABLE_METRICS", "true".to_owned()),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()),
            ("OTEL_TRACES_SAMPLER_ARG", "0.01".to_owned()),
        ];
        environment.extend_from_slice(more);
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = self.log(&format!("{name}-{}-{port}", database.name));
        Server::start(program, arguments, &environment, (port, "/ready"), &log)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.cluster.home().join(format!("{name}.log"))
    }

    /// Runs the load of one measurement against a server, after a short one that is not measured.
    pub(crate) fn load(
        &self,
        server: &Server,
        connections: u64,
        requests: Requests<'_>,
    ) -> anyhow::Result<Run> {
        self.send(server, connections, WARM_UP_S, requests)?;
        self.measure(server, connections, requests)
    }

    fn measure(&self, server: &Server, connections: u64, requests: Requests<'_>) -> anyhow::Result<Run> {
        let database = self.cluster.process_id();
        let before = Processor::now(Some(server.process()), database)?;
        let run = self.send(server, connections, self.arguments.seconds, requests)?;
        let processor = Processor::now(Some(server.process()), database)?.since(before);
        Ok(Run { processor, ..run })
    }

    fn send(
        &self,
        server: &Server,
        connections: u64,
        seconds: u64,
        requests: Requests<'_>,
    ) -> anyhow::Result<Run> {
        let threads = self.arguments.threads;
        load::send(
            &self.script,
            server.port,
            (threads, connections),
            seconds,
            requests,
        )
    }

    /// As [`Setup::load`], and compares what is stored afterwards with what was answered.
    pub(crate) fn orders(
        &self,
        (server, database, keeps): (&Server, &Database, Keeps),
        connections: u64,
        requests: Requests<'_>,
    ) -> anyhow::Result<Run> {
        let before = database.sql.stored()?;
        let warm = self.send(server, connections, WARM_UP_S, requests)?;
        let run = self.measure(server, connections, requests)?;
        self.check(
            database,
            keeps,
            before,
            warm.accepted + run.accepted,
            2 * connections,
        )?;
        Ok(run)
    }

    /// As [`Setup::orders`], from the first request on.
    pub(crate) fn cold_orders(
        &self,
        (server, database): (&Server, &Database),
        connections: u64,
        requests: Requests<'_>,
    ) -> anyhow::Result<Run> {
        let before = database.sql.stored()?;
        let run = self.measure(server, connections, requests)?;
        self.check(database, Keeps::Everything, before, run.accepted, connections)?;
        Ok(run)
    }

    /// wrk leaves when its time is over: an order may be stored whose answer it did not wait for,
    /// one per connection.
    fn check(
        &self,
        database: &Database,
        keeps: Keeps,
        before: Stored,
        answered: u64,
        unread: u64,
    ) -> anyhow::Result<()> {
        let stored = database.sql.stored()?.since(before);
        let answered = match keeps {
            Keeps::Nothing => 0,
            _ => i64::try_from(answered)?,
        };
        let most = answered + i64::try_from(unread)?;
        let holds = match keeps {
            Keeps::Everything => {
                (answered..=most).contains(&stored.orders)
                    && stored.lines == 2 * stored.orders
                    && [0, stored.orders].contains(&stored.keys)
            }
            Keeps::Nothing | Keeps::Refused => answered == 0 && stored == Stored::default(),
        };
        self.note(Check {
            what: database.name.clone(),
            answered,
            stored,
            unread: most - answered,
            holds,
        });
        Ok(())
    }

    /// Remembers what a comparison of answers and rows found.
    pub(crate) fn note(&self, check: Check) {
        self.checks.borrow_mut().push(check);
    }

    pub(crate) fn checks(&self) -> Vec<Check> {
        self.checks.borrow().clone()
    }

    /// Bytes of spans that the servers have sent.
    pub(crate) fn span_bytes(&self) -> u64 {
        self.collector.received()
    }

    /// pgbench's bare INSERT in a database that has its table.
    pub(crate) fn pgbench(&self, database: &Database, clients: u64) -> anyhow::Result<Run> {
        self.pgbench_commands(database, pgbench::INSERT, clients)
    }

    /// pgbench's guarded change in a database that has its tables.
    pub(crate) fn pgbench_guarded(&self, database: &Database, clients: u64) -> anyhow::Result<Run> {
        self.pgbench_commands(database, pgbench::GUARDED, clients)
    }

    fn pgbench_commands(&self, database: &Database, commands: &str, clients: u64) -> anyhow::Result<Run> {
        let process = self.cluster.process_id();
        let programs = &self.arguments.programs;
        let run = |seconds| pgbench::run(programs, &database.url, commands, (clients, seconds));
        run(WARM_UP_S)?;
        let before = Processor::now(None, process)?;
        let run = run(self.arguments.seconds)?;
        let processor = Processor::now(None, process)?.since(before);
        Ok(Run { processor, ..run })
    }
}
