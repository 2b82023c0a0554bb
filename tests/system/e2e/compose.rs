//! docker-compose.yml and the images with a real Docker daemon, in a compose project of its own,
//! which `make e2e-compose` removes at the end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use test_support::http::{self, Request};
use tokio::net::TcpStream;

use super::traffic::{Log, ORDER, Traffic, status};
use super::{Shell, proved, within};
use crate::pod::{ALL, order_request};

/// Seconds that anything may take that is waited for.
const BOUND: u64 = 120;

const PRELUDE: &str = r#"
compose() { scripts/compose/compose.sh "$@"; }
sql() { compose exec -T postgres psql --no-psqlrc -U food -d food -v ON_ERROR_STOP=1 -qAtc "$1"; }
health() { docker container inspect --format '{{.State.Health.Status}}' "$(compose ps --quiet "$1" | head -n 1)"; }
"#;

struct Compose {
    shell: Shell,
    work: PathBuf,
    port: u16,
}

impl Compose {
    async fn is_healthy(&self, service: &str) {
        let ask = format!("health {service}");
        within(BOUND, &format!("{service} is healthy"), async || {
            self.shell.run(&ask).1.trim() == "healthy"
        })
        .await;
    }

    /// Milliseconds until order-food is healthy.
    async fn up(&self) -> u128 {
        let since = Instant::now();
        self.shell.ok(&format!("PORT={} compose up --detach", self.port));
        self.is_healthy("order-food").await;
        since.elapsed().as_millis()
    }

    /// The ports of all copies of order-food that run.
    fn ports(&self) -> Vec<u16> {
        let format = r#"{{with index .NetworkSettings.Ports "8080/tcp"}}{{(index . 0).HostPort}}{{end}}"#;
        let said = self.shell.ok(&format!(
            "for id in $(compose ps --quiet order-food); do docker container inspect --format '{format}' $id; done"
        ));
        said.split_whitespace()
            .map(|port| port.parse().unwrap())
            .collect()
    }

    /// `docker compose run` of the loader or another program: exit code and output.
    fn run(&self, data: Option<&Path>, command: &str) -> (i32, String) {
        let data = data.map_or(String::new(), |folder| format!("DATA_DIR={} ", folder.display()));
        self.shell.run(&format!("{data}compose run --rm -T {command}"))
    }

    async fn get(&self, path: &str) -> String {
        let request = Request::get(path).header("api_key", "apitest");
        let answer = http::ask(("127.0.0.1", self.port), &request).await;
        answer.unwrap().text()
    }

    async fn price_is(&self, price: &str) {
        let wanted = format!("\"price\":{price}");
        within(BOUND, &format!("the price is {price}"), async || {
            self.get("/api/product/3").await.contains(&wanted)
        })
        .await;
    }

    fn orders(&self) -> usize {
        self.shell.number("sql 'SELECT count(*) FROM orders'")
    }

    /// The end of the traffic: each finished order is stored once.
    async fn end(&self, traffic: Traffic, before: usize) -> Log {
        let log = traffic.end().await;
        assert_eq!(self.orders() - before, log.finished, "orders stored");
        log
    }
}

/// Seven ports in a row on which nothing listens: three copies of the API and of its console, and a
/// worker.
async fn free_ports() -> u16 {
    'first: for first in (18_080..19_000).step_by(7) {
        for port in first..first + 7 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                continue 'first;
            }
        }
        return first;
    }
    panic!("no free ports from 18080 to 19000");
}

/// An edit of the price of product 3.
fn reprice(data: &Path, from: &str, to: &str) {
    let file = data.join("default/products.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replace(&format!("Pancakes,{from}"), &format!("Pancakes,{to}"));
    assert_ne!(changed, text);
    std::fs::write(file, changed).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon: make e2e-compose"]
async fn the_system_serves_fails_and_recovers_in_containers() {
    let port = free_ports().await;
    let compose = Compose {
        shell: Shell::new(PRELUDE)
            .with("JAEGER_ENDPOINT", "none")
            .with("CONSOLE_PORT", format!("{}-{}", port + 3, port + 5))
            .with("WORKER_PORT", port + 6),
        work: std::env::temp_dir().join(format!("e2e-compose-{}", std::process::id())),
        port,
    };
    let shell = &compose.shell;
    std::fs::create_dir_all(compose.work.join("empty")).unwrap();
    shell
        .ok("docker image inspect \"$POSTGRES_IMAGE\" >/dev/null || docker pull --quiet \"$POSTGRES_IMAGE\"");

    images(shell);
    a_failing_load(&compose);

    let took = compose.up().await;
    proved(&format!(
        "up: healthy {took} ms after the command, with an empty volume and the images present"
    ));
    let placed = http::ask(("127.0.0.1", compose.port), &order_request(ORDER)).await;
    let placed = placed.unwrap();
    let path = format!("/api/order/{}", placed.member("id"));
    assert_eq!(compose.get(&path).await, placed.text());
    proved("an order: placed with the key apitest and SAVE10, read back, the same bytes");
    pages(&compose).await;
    shell.ok("compose down");
    compose.up().await;
    assert_eq!(compose.get(&path).await, placed.text());
    compose.up().await;
    proved("down and up: healthy, the order is still there; up again while it runs");

    data_files(&compose).await;
    workers(&compose).await;

    let before = compose.orders();
    let traffic = Traffic::start(&[compose.port]);
    traffic.flows(40).await;
    shell.ok("compose restart --timeout 30 postgres");
    traffic.flows(40).await;
    let log = compose.end(traffic, before).await;
    let other = log.count(|status| ![200, 503, 409].contains(&status));
    assert_eq!(other, 0, "neither 200 nor 503, 409: {:?}", log.answers);
    proved("PostgreSQL restarted under traffic: answers 503 and 409 repeated, each order stored once");

    copies_at_once(&compose).await;
    three_copies(&compose).await;
    confined(&compose);
    no_secret(shell);
    std::fs::remove_dir_all(&compose.work).unwrap();
}

fn images(shell: &Shell) {
    shell.ok("scripts/images/build.sh");
    let revision = shell.ok(". scripts/images/source.sh; echo \"$REVISION\"");
    for service in ALL {
        let label = r#"{{.Config.User}} {{index .Config.Labels "org.opencontainers.image.revision"}}"#;
        let said = shell.ok(&format!(
            "docker image inspect --format '{label}' {service}:latest"
        ));
        assert_eq!(said, format!("10001:10001 {revision}"));
        let (code, _) = shell.run(&format!(
            "docker run --rm --entrypoint /bin/sh {service}:latest -c true"
        ));
        assert_ne!(code, 0, "{service} has a shell");
        let version = shell.ok(&format!("docker run --rm {service}:latest --version"));
        assert!(version.contains(service), "{version}");
    }
    proved("images: built, the revision in their labels, user 10001, no shell");
}

/// What a new user opens: the shop, the console, the worker's health and metrics.
async fn pages(compose: &Compose) {
    compose.is_healthy("order-food-workers").await;
    let said = compose
        .shell
        .ok(&format!("PORT={} scripts/compose/up.sh", compose.port));
    for (service, port, path, contained) in [
        ("order-food", "8080", "/", "<title>"),
        ("order-food", "8080", "/docs", "<title>"),
        ("order-food", "8081", "/login", "<form"),
        ("order-food-workers", "8080", "/q/health", r#""status":"UP""#),
        ("order-food-workers", "8080", "/q/metrics", "jobs_worker_info{"),
    ] {
        let address = compose.shell.ok(&format!("compose port {service} {port}"));
        let (_, published) = address.rsplit_once(':').unwrap();
        assert!(said.contains(&format!("http://localhost:{published}")), "{said}");
        let address = format!("127.0.0.1:{published}");
        let page = http::ask(address, &Request::get(path)).await.unwrap();
        assert!(
            page.status() == 200 && page.text().contains(contained),
            "{path}: {page:?}"
        );
    }
    proved("make up names where shop, console and worker are, and all of them answer");
}

/// A job is done by the worker; paused by its settings it does nothing; killed, it goes on later.
async fn workers(compose: &Compose) {
    let (shell, port) = (&compose.shell, compose.port);
    let jobs = "compose exec -T order-food-workers order-food jobs";
    compose.is_healthy("order-food-workers").await;
    shell.ok(&format!("{jobs} enqueue reporting.refresh --wait 60s"));
    let up = |setting: &str| shell.ok(&format!("PORT={port} {setting} compose up --detach"));

    up("QUARKUS_SCHEDULER_ENABLED=false");
    compose.is_healthy("order-food-workers").await;
    let (code, said) = shell.run(&format!("{jobs} enqueue maintenance.job_retention --wait 2s"));
    assert_eq!(code, 8, "{said}");
    let health = "compose exec -T order-food-workers order-food health --url http://127.0.0.1:8080/q/health";
    assert!(shell.ok(health).contains(r#""enabled":false"#));
    shell.ok("docker kill $(compose ps --quiet order-food-workers)");
    up("");
    compose.is_healthy("order-food-workers").await;
    within(BOUND, "the job that waited is done", async || {
        shell.ok("sql \"SELECT count(*) FROM job WHERE kind = 'maintenance.job_retention'\"") == "0"
    })
    .await;
    proved("the worker did a job, was paused and killed, and did what had waited");
}

fn a_failing_load(compose: &Compose) {
    let folder = compose.work.join("empty");
    let settings = format!("DATA_DIR={} PORT={}", folder.display(), compose.port);
    let (code, said) = compose.shell.run(&format!("{settings} compose up --detach"));
    assert!(code != 0 && said.contains("exit"), "{said}");
    assert_eq!(compose.ports(), [0; 0]);
    let log = compose.shell.ok("compose logs --no-color database-load 2>&1");
    assert!(log.contains("default"), "{log}");
    let (code, said) = compose.shell.run(&format!("{settings} scripts/compose/up.sh"));
    assert!(
        code != 0 && said.contains("error: database-load ended with exit code 2"),
        "{said}"
    );
    proved("failing load: up and make up end with an error that says so; order-food does not run");
    compose.shell.ok("compose down --volumes");
}

/// Data are edited in a copy, which the load gets in place of the repository's.
async fn data_files(compose: &Compose) {
    let data = compose.work.join("data");
    let copy = format!("cp -R database-load/data {0}; chmod -R a+rX {0}", data.display());
    compose.shell.ok(&copy);
    reprice(&data, "9.99", "cheap");
    let (code, said) = compose.run(Some(&data), "database-load");
    assert!(code == 10 && said.contains("products.csv"), "{code}: {said}");
    compose.price_is("9.99").await;
    assert_eq!(status(compose.port, &Request::get("/ready")).await, 200);
    proved("corrupt file: exit 10 and the place; the API serves what it had");

    reprice(&data, "cheap", "10.49");
    assert_eq!(compose.run(Some(&data), "database-load").0, 0);
    compose.price_is("10.49").await;
    assert_eq!(compose.run(Some(&data), "database-load rollback --previous").0, 0);
    compose.price_is("9.99").await;
    let (code, said) = compose.run(Some(&data), "database-load");
    assert!(code == 0 && said.contains("held"), "{said}");
    proved("load and rollback --previous: 9.99, 10.49, 9.99 without a restart; then held");
    let two = "PROFILES=minimal,default compose run --rm -T database-load plan";
    let (code, said) = compose.shell.run(two);
    assert!(
        code == 0 && said.contains("minimal") && said.contains("default"),
        "{said}"
    );
    for command in "database-load status|database-load plan|database-load history|database-load verify|\
        database-load freshness --max-age 12h|database-load prune --keep 3|database-migration status --exit-code|\
        database-migration validate|order-food health --url http://order-food:8080/ready"
        .split('|')
    {
        let (code, said) = compose.run(Some(&data), command);
        assert_eq!(code, 0, "{command}: {said}");
    }
    proved("the other subcommands and a list of profiles work as typed");
}

async fn copies_at_once(compose: &Compose) {
    compose
        .shell
        .ok("compose down --volumes; compose up --detach postgres");
    compose.is_healthy("postgres").await;
    for service in [ALL[0], ALL[1]] {
        let copies = format!("compose run --rm -T --no-deps {service}");
        compose.shell.ok(&format!(
            "for copy in 1 2 3 4 5; do {copies} & ids+=\" $!\"; done; for id in $ids; do wait $id; done"
        ));
        let changed = format!(
            "sql \"SELECT count(*) FROM bootstrap_runs WHERE task = '{service}' AND outcome = 'changed'\""
        );
        let changed = compose.shell.number(&changed);
        assert_eq!(changed, 1, "{service}: copies that changed something");
    }
    let versions = "sql 'SELECT count(*) FROM dataset_versions'";
    assert_eq!(compose.shell.number(versions), 1);
    proved("five migrations, then five loads at once on an empty database: one of each did the work");
}

async fn three_copies(compose: &Compose) {
    let range = format!("{}-{}", compose.port, compose.port + 2);
    compose
        .shell
        .ok(&format!("PORT={range} compose up --detach --scale order-food=3"));
    within(BOUND, "three copies are ready and take orders", async || {
        let ports = compose.ports();
        for port in &ports {
            if status(*port, &Request::get("/ready")).await != 200 {
                return false;
            }
            assert_eq!(status(*port, &order_request(ORDER)).await, 200, "{port}");
        }
        ports.len() == 3
    })
    .await;
    proved("three copies of order-food behind a range of ports: each takes orders");

    let before = compose.orders();
    let traffic = Traffic::start(&compose.ports());
    traffic.flows(60).await;
    let stopped = compose.shell.ok(
        "id=$(compose ps --quiet order-food | head -n 1); docker stop --time 30 $id >/dev/null
         docker container inspect --format '{{.State.ExitCode}}' $id",
    );
    assert_eq!(stopped, "0");
    traffic.flows(60).await;
    let log = compose.end(traffic, before).await;
    assert_eq!(log.count(|status| status != 200), 0, "{:?}", log.answers);
    proved("docker stop of one of three under traffic: every order answered 200 at once, exit code 0");
}

fn confined(compose: &Compose) {
    // A second container in the process namespace of the first, which has no shell.
    let kernel = compose.shell.ok(
        "docker run --rm --network none --pid \"container:$(compose ps --quiet order-food | tail -n 1)\" --user 10001:10001 \\
           --cap-drop ALL --entrypoint cat \"$POSTGRES_IMAGE\" /proc/1/status /proc/1/mountinfo",
    );
    for line in ["Uid:\t10001\t10001\t10001\t10001", "NoNewPrivs:\t1"] {
        assert!(kernel.contains(line), "{line}: {kernel}");
    }
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        let line = format!("{set}:\t0000000000000000");
        assert!(kernel.contains(&line), "{line}: {kernel}");
    }
    let root = kernel
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"))
        .unwrap();
    assert!(root.split(' ').nth(5).unwrap().starts_with("ro"), "{root}");
    let generate = "database-load coupons generate --shape published --scale 0.0000001 --out";
    let (code, said) = compose.run(None, &format!("{generate} /usr/share/corpus"));
    assert!(code == 6 && said.contains("Read-only file system"), "{said}");
    assert_eq!(compose.run(None, &format!("{generate} /tmp/corpus")).0, 0);
    for service in ALL {
        let format = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}";
        let script = format!(
            "docker container inspect --format '{format}' \"$(compose ps --all --quiet {service} | head -n 1)\""
        );
        let confined = compose.shell.ok(&script);
        assert_eq!(confined, "true [ALL] [no-new-privileges:true]", "{service}");
    }
    proved("confined: uid 10001, no capabilities, no new privileges, root read-only, /tmp writable");
}

fn no_secret(shell: &Shell) {
    let secret = shell.ok("cat deploy/compose/development-only/postgres-password");
    let inspected = shell.ok(
        "for id in $(compose ps --all --quiet); do docker container inspect $id; done
         for name in database-migration database-load order-food; do
           docker image inspect $name:latest; docker image history --no-trunc $name:latest
         done",
    );
    let logs = shell.ok("compose logs --no-color 2>&1");
    assert!(
        inspected.len() > 1_000 && logs.len() > 1_000,
        "nothing to search in"
    );
    assert!(!inspected.contains(&secret), "the password is in docker inspect");
    assert!(
        !logs.contains(&secret) && !logs.contains("apitest"),
        "a secret is in the logs"
    );
    proved("no secret: the password is in no docker inspect, image history or log, the API key in no log");
}
