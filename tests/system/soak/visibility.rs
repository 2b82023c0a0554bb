//! Readers see one whole published edition at any time, while loads and rollbacks run and are
//! killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use test_support::http::{Connection, Request};
use test_support::{Data, Process, Random, TestDatabase, scaled};
use tokio::task::JoinSet;

use crate::editions::{self, Edition};
use crate::pod::{LOAD, Pod};

/// Loads and rollbacks.
const OPERATIONS: usize = 200;

/// Notes each publication when it is made: it commits later, and is seen later still.
const NOTE_PUBLICATIONS: &str = "
    CREATE TABLE published (version bigint NOT NULL, at timestamptz NOT NULL);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO published VALUES (NEW.version, clock_timestamp()); RETURN NEW; END';
    CREATE TRIGGER note AFTER UPDATE ON dataset_versions
    FOR EACH ROW WHEN (NEW.state = 'active') EXECUTE FUNCTION note()";

/// What one snapshot holds of the active version and of the tables; every column must be the same
/// edition.
const SNAPSHOT: [&str; 5] = [
    "SELECT DISTINCT trunc((row ->> 'price')::numeric)::text FROM dataset_rows JOIN dataset_versions USING (version)
     WHERE state = 'active' AND dataset = 'products'",
    "SELECT DISTINCT CASE WHEN count(*) OVER () = 10 AND price - trunc(price) = id / 100.0 AND name = 'Dish ' || trunc(price)
                          THEN trunc(price)::text ELSE 'mixture' END
     FROM products WHERE available",
    "SELECT trunc(value)::text FROM promotions WHERE active",
    "SELECT name FROM users WHERE active",
    "SELECT substr(code, 2)::integer::text FROM coupon_codes JOIN dataset_versions USING (version) WHERE state = 'active'",
];

/// What was seen: the earliest time of each edition, and whatever must never be.
#[derive(Default)]
struct Seen {
    editions: BTreeMap<Edition, SystemTime>,
    reads: u64,
    orders: u64,
    snapshots: u64,
    violations: Vec<String>,
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>, Arc<AtomicBool>);

impl Watch {
    fn goes_on(&self) -> bool {
        !self.1.load(Ordering::Relaxed)
    }

    fn note(&self, count: fn(&mut Seen) -> &mut u64, edition: Result<Edition, String>) {
        let mut seen = self.0.lock().unwrap();
        *count(&mut seen) += 1;
        match edition {
            // Taken after the answer was there.
            Ok(edition) => drop(seen.editions.entry(edition).or_insert_with(SystemTime::now)),
            Err(problem) => seen.violations.push(problem),
        }
    }
}

/// Reads the catalogue and its products one by one.
async fn reader(port: u16, watch: Watch) {
    let mut connection = Connection::open(("127.0.0.1", port)).await.unwrap();
    let mut id = 1;
    while watch.goes_on() {
        let all = connection.exchange(&Request::get("/api/product")).await.unwrap();
        let edition = match all.status() {
            200 => editions::edition_of(&all.json()),
            _ => Err(format!("{all:?}")),
        };
        watch.note(|seen| &mut seen.reads, edition);
        let path = format!("/api/product/{id}");
        let one = connection.exchange(&Request::get(&path)).await.unwrap();
        let edition = match one.status() {
            200 => editions::edition_of_one(&one.json(), id),
            _ => Err(format!("{one:?}")),
        };
        watch.note(|seen| &mut seen.reads, edition);
        let ready = connection.exchange(&Request::get("/ready")).await.unwrap();
        assert_eq!(ready.status(), 200, "{ready:?}");
        id = id % editions::PRODUCTS + 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Orders with the promotion, and with the bulk code of the edition that was seen last: it is
/// accepted together with that edition's prices only.
async fn customer(port: u16, watch: Watch) {
    let mut connection = Connection::open(("127.0.0.1", port)).await.unwrap();
    let mut edition = 1;
    while watch.goes_on() {
        let answer = connection
            .exchange(&editions::order_with_promotion())
            .await
            .unwrap();
        let taken = match answer.status() {
            200 => editions::edition_of_order(&answer, true),
            _ => Err(format!("{answer:?}")),
        };
        edition = taken.clone().unwrap_or(edition);
        watch.note(|seen| &mut seen.orders, taken);
        let answer = connection
            .exchange(&editions::order_with_code_of(edition))
            .await
            .unwrap();
        let taken = match answer.status() {
            200 => editions::edition_of_order(&answer, false).and_then(|taken| {
                let is_own = taken == edition;
                is_own
                    .then_some(taken)
                    .ok_or_else(|| format!("the code of {edition} at the prices of {taken}"))
            }),
            // Another edition came meanwhile.
            422 if answer.member("type") == "coupon_unknown" => Ok(edition),
            _ => Err(format!("{answer:?}")),
        };
        watch.note(|seen| &mut seen.orders, taken);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads the tables one after the other, in one snapshot.
async fn auditor(database: TestDatabase, watch: Watch) {
    let client = database.client().await;
    while watch.goes_on() {
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .unwrap();
        let mut found = BTreeSet::new();
        let mut counts = Vec::new();
        for query in SNAPSHOT {
            let rows = client.query(query, &[]).await.unwrap();
            counts.push(rows.len());
            found.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        }
        client.batch_execute("ROLLBACK").await.unwrap();
        let is_one = counts == [1; SNAPSHOT.len()] && found.len() == 1;
        let edition = found.first().and_then(|edition| edition.parse().ok());
        let edition = edition
            .filter(|_| is_one)
            .ok_or_else(|| format!("a snapshot with {found:?}, rows {counts:?}"));
        watch.note(|seen| &mut seen.snapshots, edition);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What was done to the data.
#[derive(Default)]
struct Done {
    loads: usize,
    rollbacks: usize,
    killed: usize,
    edition: Edition,
}

/// Loads new editions and goes back to old ones; a third of them is killed within the time that the
/// others take.
struct Operators {
    pod: Pod,
    database: TestDatabase,
    random: Random,
    usual: Duration,
    done: Done,
}

impl Operators {
    async fn operate(&mut self) {
        let (process, _data) = self.start().await;
        let started = Instant::now();
        // A process that ended before the kill does not count.
        if 3 * (self.done.killed + 1) < self.done.loads + self.done.rollbacks {
            let micros = u64::try_from(self.usual.as_micros()).unwrap();
            tokio::time::sleep(Duration::from_micros(self.random.below(micros))).await;
            self.done.killed += usize::from(kill(process).await);
            return;
        }
        self.finish(process, started).await;
    }

    async fn finish(&mut self, process: Process, started: Instant) {
        let output = process.wait_output().await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        self.usual = (self.usual + started.elapsed()) / 2;
    }

    async fn start(&mut self) -> (Process, Option<Data>) {
        let retired =
            "SELECT version FROM dataset_versions WHERE state = 'retired' ORDER BY version DESC LIMIT 20";
        let retired = self.database.rows(retired).await;
        if self.random.below(3) == 0 && !retired.is_empty() {
            self.done.rollbacks += 1;
            let place = self.random.below(retired.len() as u64) as usize;
            let arguments = ["rollback", "-p", "default", "--to", &retired[place][0]];
            return (self.pod.start(LOAD, &arguments), None);
        }
        self.done.loads += 1;
        self.done.edition += 1;
        let data = editions::write(self.done.edition);
        let pod = self.pod.clone().data(data.folder());
        (pod.start(LOAD, &[]), Some(data))
    }
}

/// Whether it came in time.
async fn kill(mut process: Process) -> bool {
    if process.running() {
        process.signal("KILL");
    }
    let output = process.wait_output().await;
    assert!(
        output.signal == Some(9) || output.code == Some(0),
        "{}",
        output.stderr
    );
    output.signal == Some(9)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_one_published_edition_whole_while_loads_and_rollbacks_are_killed() {
    let database = TestDatabase::migrated().await;
    database.execute(NOTE_PUBLICATIONS).await;
    // Other numbers in each run.
    let seed = UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut operators = Operators {
        pod: Pod::on(&database),
        database: database.clone(),
        random: Random::new(seed),
        usual: Duration::from_millis(200),
        done: Done::default(),
    };
    operators.operate().await;
    let api = operators.pod.serve().await;
    let watch = Watch::default();
    let mut watchers = JoinSet::new();
    for _ in 0..2 {
        watchers.spawn(reader(api.port, watch.clone()));
        watchers.spawn(customer(api.port, watch.clone()));
        watchers.spawn(auditor(database.clone(), watch.clone()));
    }

    for _ in 1..scaled(OPERATIONS) {
        operators.operate().await;
        assert!(watchers.try_join_next().is_none(), "a watcher ended");
    }
    // Whatever the killed ones left, the next load is complete.
    let (last, _data) = operators.start().await;
    operators.finish(last, Instant::now()).await;
    let active = database.value(SNAPSHOT[0]).await;
    test_support::eventually("the API shows what is active", async || {
        let shown = editions::edition_of(&api.get("/api/product").await.json()).unwrap();
        shown.to_string() == active
    })
    .await;
    watch.1.store(true, Ordering::Relaxed);
    while let Some(watcher) = watchers.join_next().await {
        watcher.expect("no watcher met a broken connection");
    }

    let published = published(&database).await;
    let Seen {
        editions,
        reads,
        orders,
        snapshots,
        mut violations,
    } = std::mem::take(&mut *watch.0.lock().unwrap());
    for (edition, at) in &editions {
        if published.get(edition).is_none_or(|published| published > at) {
            violations.push(format!("edition {edition} was seen before it was published"));
        }
    }
    let Done {
        loads,
        rollbacks,
        killed,
        ..
    } = operators.done;
    println!(
        "visibility: {loads} loads, {rollbacks} rollbacks, of which {killed} killed; {} publications of {} editions; \
         {reads} reads and {orders} orders of the API, {snapshots} snapshots; {} violations",
        database.value("SELECT count(*) FROM published").await,
        published.len(),
        violations.len()
    );
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(reads > 0 && orders > 0 && snapshots > 0 && editions.len() > 1);
    nothing_is_left(&database, &operators.pod).await;
}

/// When each edition was first published.
async fn published(database: &TestDatabase) -> BTreeMap<Edition, SystemTime> {
    let published = "SELECT DISTINCT trunc((row ->> 'price')::numeric)::text, (extract(epoch FROM min(at)) * 1000000)::bigint
                     FROM published JOIN dataset_rows USING (version) WHERE dataset = 'products' GROUP BY 1";
    let rows = database.rows(published).await;
    let parse = |row: Vec<String>| {
        let at = UNIX_EPOCH + Duration::from_micros(row[1].parse().unwrap());
        (row[0].parse().unwrap(), at)
    };
    rows.into_iter().map(parse).collect()
}

/// Nothing is left of what was killed, and every order was taken at the prices of one edition.
async fn nothing_is_left(database: &TestDatabase, pod: &Pod) {
    let staged = "SELECT count(*) FROM dataset_versions WHERE state = 'staged'";
    assert_eq!(database.value(staged).await, "0");
    let orphans =
        "SELECT count(*) FROM coupon_codes WHERE version NOT IN (SELECT version FROM dataset_versions)";
    assert_eq!(database.value(orphans).await, "0");
    let verified = pod.run(LOAD, &["verify"]).await;
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    let mixed = "SELECT count(*) FROM (
                     SELECT FROM orders JOIN order_items ON order_id = id
                     GROUP BY id, subtotal, discount, coupon_code
                     HAVING count(*) <> 10 OR count(DISTINCT trunc(unit_price)) <> 1 OR sum(unit_price) <> subtotal
                         OR discount <> CASE coupon_code WHEN 'OFFER' THEN min(trunc(unit_price)) ELSE 0 END
                         OR coupon_code <> 'OFFER' AND substr(coupon_code, 2)::integer <> min(trunc(unit_price))
                 ) AS mixed";
    assert_eq!(database.value(mixed).await, "0");
}
