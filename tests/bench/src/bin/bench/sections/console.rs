//! The operator console over full tables, and what open boards cost orders and jobs.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use test_support::free_port;
use ureq::Agent;

use super::large::{fill, insert_key};
use crate::figures::{Run, Series, Subject, alternate, percentile};
use crate::load::ORDERS;
use crate::report::Report;
use crate::server::Server;
use crate::setup::{Database, Keeps, Setup};

const CONNECTIONS: u64 = 64;
const SCREENS: usize = 20;
const OPEN: i64 = 200;
/// Orders of the day that are done.
const DAY: i64 = 20_000;
/// Visits to each page.
const VISITS: usize = 60;
const OPERATOR: &str = "bench-operates";
/// Jobs of the comparison of rates.
const JOBS: i64 = 30_000;

const JOBS_AND_DEAD_LETTERS: &str = "
    INSERT INTO job (kind, priority, timeout_ms, payload, run_at, last_error)
    SELECT 'kind.' || n % 7, n % 5, 20000, '{\"order\": 1}', now() - n % 1000 * interval '1 s',
        CASE WHEN n % 10 = 0 THEN 'HTTP 503' END
    FROM generate_series(1, 1000000) AS n;
    INSERT INTO job_dead (id, kind, priority, created_at, died_at, reason, attempt, rescues, timeout_ms, payload, last_error, min_build)
    SELECT 10000000 + n, 'kind.' || n % 7, n % 5, now(), now() - n * interval '1 s',
        CASE WHEN n % 3 = 0 THEN 'permanent' ELSE 'exhausted' END, 8, 0, 20000, '{\"order\": 1}', 'HTTP ' || 500 + n % 9, 0
    FROM generate_series(1, 100000) AS n;
    INSERT INTO operator_actions (via, action, target, outcome)
    SELECT 'console', 'jobs.replay', 'job ' || n, 'done' FROM generate_series(1, 100000) AS n";

/// Pages, each with the query that costs most.
const PAGES: [&str; 18] = [
    "/orders",
    "/orders?category=Waffle",
    "/jobs",
    "/jobs?kind=kind.3",
    "/jobs?priority=BULK&state=running",
    "/jobs?error=nothing+of+this",
    "/dead",
    "/dead?kind=kind.3&reason=permanent",
    "/dead?error=nothing+of+this",
    "/dead/10000001",
    "/dead/all?reason=permanent",
    "/webhooks",
    "/sales",
    "/sales?by=product",
    "/loads",
    "/system",
    "/audit",
    "/audit?text=nothing+of+this",
];

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("console")?;
    fill(&database, setup.arguments.orders)?;
    insert_operator(&database)?;
    database.sql.run(JOBS_AND_DEAD_LETTERS)?;
    open_orders(&database)?;
    database.sql.run("VACUUM ANALYZE")?;
    let console = free_port();
    let settings = [
        ("CONSOLE_PORT", console.to_string()),
        ("ORDER_OPEN_WINDOW", window(&database)?.to_string()),
    ];
    let server = setup.order_food_with(&database, &settings)?;
    let screen = Screen::log_in(console)?;
    let open = screen.get("/orders")?.matches("class=\"ticket").count();
    ensure!(open == usize::try_from(OPEN)?, "{open} orders on the board");
    pages(setup, report, &screen)?;
    drop(server);
    rates(setup, report)
}

/// 200 orders are placed now; of those before, the newest 20,000 were picked up within the window.
fn open_orders(database: &Database) -> anyhow::Result<()> {
    let order = "(lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint - n), 12, '0')
        || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5('x' || n), 4, 15))::uuid";
    database.sql.run(&format!(
        "UPDATE order_life_cycle SET began_at = (SELECT created_at FROM orders ORDER BY id DESC OFFSET {DAY} LIMIT 1);
         INSERT INTO order_states (order_id, status, version, changed_at)
         SELECT id, 'picked_up', 5, created_at FROM orders ORDER BY id DESC LIMIT {DAY} + 1;
         INSERT INTO orders (id, api_key_id, subtotal, discount, total)
         SELECT {order}, '018f4e5a-0000-7000-8000-0000000000a1', 35.97, 0, 35.97 FROM generate_series(1, {OPEN}) AS n;
         INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         SELECT id, line, 1, 'Chicken Waffle', 'Waffle', 12.99, 1
         FROM (SELECT id FROM orders ORDER BY id DESC LIMIT {OPEN}) AS newest, generate_series(1, 3) AS line"
    ))
}

/// Seconds since the oldest order of the day, and those in which the board is visited.
fn window(database: &Database) -> anyhow::Result<i64> {
    database.sql.number(&format!(
        "SELECT (extract(epoch FROM now()) - ('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000)::bigint + 240
         FROM orders ORDER BY id DESC OFFSET {DAY} LIMIT 1"
    ))
}

fn pages(setup: &Setup, report: &mut Report, screen: &Screen) -> anyhow::Result<()> {
    for path in PAGES {
        let mut times = Vec::with_capacity(VISITS);
        screen.get(path)?;
        for _ in 0..VISITS {
            // A board is written anew, at the latest, after a second.
            if path.starts_with("/orders") {
                thread::sleep(Duration::from_millis(1_000));
            }
            let sent = Instant::now();
            screen.get(path)?;
            times.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let p95 = percentile(&times, 0.95);
        let orders = setup.arguments.orders;
        report.at_most(
            &format!("GET {path} with {orders} orders, 1 M jobs, 100,000 dead letters, p95"),
            p95,
            100.0,
            "ms",
        );
        if path == "/orders" {
            report.at_most("the board with 200 open orders, p95", p95, 50.0, "ms");
        }
        report.add([Series {
            section: "console",
            name: format!("GET {path}"),
            runs: vec![Run::of(
                1e3 * times.len() as f64 / times.iter().sum::<f64>(),
                times,
            )],
        }]);
    }
    Ok(())
}

fn insert_operator(database: &Database) -> anyhow::Result<()> {
    let id = "018f4e5a-0000-7000-8000-0000000000b4";
    insert_key(&database.sql, id, OPERATOR, "{operate}")
}

/// Orders and jobs with no screen, and with the board open on twenty.
fn rates(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let [alone, watched] = ["no_screen", "screens"].map(|name| setup.database(name));
    let (alone, watched) = (alone?, watched?);
    let mut servers = Vec::new();
    for database in [&alone, &watched] {
        insert_operator(database)?;
        let console = free_port();
        let server = setup.order_food_with(database, &[("CONSOLE_PORT", console.to_string())])?;
        servers.push((server, console));
    }
    let [(without, _), (with, console)] = servers.as_slice() else {
        anyhow::bail!("two servers");
    };
    let orders = |server: &Server, database: &Database| {
        setup.orders((server, database, Keeps::Everything), CONNECTIONS, ORDERS)
    };
    // A shop that is in use: autovacuum would come a minute later.
    for ((server, _), database) in servers.iter().zip([&alone, &watched]) {
        orders(server, database)?;
        database.sql.run("VACUUM ANALYZE")?;
    }
    let jobs = |_: &Server, database: &Database| jobs(setup, database);
    type Load<'a> = &'a dyn Fn(&Server, &Database) -> anyhow::Result<Run>;
    for (kind, run) in [("orders", &orders as Load<'_>), ("jobs", &jobs)] {
        let mut reads = Vec::new();
        let names = ["no screen", "the board open on 20 screens"].map(|name| format!("{kind}, {name}"));
        let [alone_name, watched_name] = &names;
        let series = alternate(
            "console",
            setup.arguments.rounds,
            [
                Subject::new(alone_name, || run(without, &alone)),
                Subject::new(watched_name, || {
                    let screens = Screens::open(*console)?;
                    let run = run(with, &watched)?;
                    reads.push(screens.close()? as f64 / (setup.arguments.seconds + 1) as f64);
                    Ok(run)
                }),
            ],
        )?;
        let [of_alone, of_watched] = &series;
        let what = format!("{kind}/s with the board open on 20 screens, against none");
        report.at_least(&what, of_watched.rate_through(of_alone), 0.97, "×");
        if kind == "orders" {
            let what = "boards that 20 screens read meanwhile";
            report.told(what, crate::figures::median(reads), "/s");
            report.all_accepted("orders while boards are open", of_watched);
        }
        report.add(series);
    }
    Ok(())
}

/// How fast a worker ends jobs whose endpoint is unknown: each becomes a dead letter.
fn jobs(setup: &Setup, database: &Database) -> anyhow::Result<Run> {
    database.sql.run(&format!(
        "TRUNCATE job, job_dead;
         INSERT INTO job (kind, priority, timeout_ms, payload)
         SELECT 'order.webhook', 0, 20000, jsonb_build_object('endpoint', gen_random_uuid(), 'event', 'order.placed', 'order', gen_random_uuid())
         FROM generate_series(1, {JOBS})"
    ))?;
    database.sql.run("VACUUM ANALYZE job")?;
    let began = Instant::now();
    let _worker = setup.worker(database, &[])?;
    let left = "SELECT count(*) FROM job WHERE kind = 'order.webhook'";
    while database.sql.number(left)? > 0 {
        ensure!(began.elapsed() < Duration::from_secs(300), "the jobs do not end");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(Run {
        rate: JOBS as f64 / began.elapsed().as_secs_f64(),
        accepted: JOBS.unsigned_abs(),
        ..Run::default()
    })
}

/// A browser that is logged in.
#[derive(Clone)]
struct Screen {
    agent: Agent,
    origin: String,
    cookie: String,
}

impl Screen {
    fn log_in(port: u16) -> anyhow::Result<Screen> {
        let agent: Agent = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into();
        let origin = format!("http://127.0.0.1:{port}");
        let answer = agent
            .post(format!("{origin}/login"))
            .header("Origin", &origin)
            .content_type("application/x-www-form-urlencoded")
            .send(format!("key={OPERATOR}"))?;
        let cookie = answer
            .headers()
            .get("set-cookie")
            .context("the log-in was refused")?;
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
        Ok(Screen {
            agent,
            origin,
            cookie,
        })
    }

    fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = self.agent.get(format!("{}{path}", self.origin));
        let mut answer = request.header("Cookie", &self.cookie).call()?;
        let text = answer.body_mut().read_to_string()?;
        ensure!(answer.status() == 200, "{path}: {} {text}", answer.status());
        Ok(text)
    }

    /// The board as browsers ask for it. It stays compressed: tablets have processors of their own.
    fn renew(&self) -> anyhow::Result<()> {
        let request = self.agent.get(format!("{}/orders", self.origin));
        let request = request.header("Accept-Encoding", "gzip");
        let mut answer = request.header("Cookie", &self.cookie).call()?;
        ensure!(answer.status() == 200, "the board: {}", answer.status());
        answer.body_mut().read_to_vec()?;
        Ok(())
    }
}

/// Boards that are open, and read anew as the page's script does.
struct Screens {
    ends: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Screens {
    fn open(port: u16) -> anyhow::Result<Screens> {
        let screen = Screen::log_in(port)?;
        let (ends, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..SCREENS)
            .map(|_| {
                let (screen, ends, reads) = (screen.clone(), ends.clone(), reads.clone());
                thread::spawn(move || watch(&screen, &ends, &reads))
            })
            .collect();
        Ok(Screens { ends, reads, threads })
    }

    /// How often boards were read.
    fn close(self) -> anyhow::Result<u64> {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok().context("a screen")??;
        }
        Ok(self.reads.load(Ordering::Relaxed))
    }
}

/// Reads the board after each hint, at most twice a second, and every 15 s.
fn watch(screen: &Screen, ends: &AtomicBool, reads: &AtomicU64) -> anyhow::Result<()> {
    let news = Arc::new(AtomicBool::new(true));
    let told = news.clone();
    let events = screen
        .agent
        .get(format!("{}/orders/events", screen.origin))
        .header("Cookie", &screen.cookie)
        .call()?;
    ensure!(events.status() == 200, "the stream: {}", events.status());
    let mut events = events.into_body().into_reader();
    // Ends with its server.
    thread::spawn(move || {
        let mut bytes = [0; 256];
        while events.read(&mut bytes).is_ok_and(|read| read > 0) {
            told.store(true, Ordering::Relaxed);
        }
    });
    let mut last = Instant::now();
    while !ends.load(Ordering::Relaxed) {
        if news.swap(false, Ordering::Relaxed) || last.elapsed() > Duration::from_secs(15) {
            last = Instant::now();
            screen.renew()?;
            reads.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(500).saturating_sub(last.elapsed()));
        } else {
            thread::sleep(Duration::from_millis(25));
        }
    }
    Ok(())
}
