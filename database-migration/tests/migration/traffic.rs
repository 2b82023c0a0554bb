//! A migration that wants a busy table lets orders through again and again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use test_support::{TestDatabase, eventually};
use tokio_postgres::Client;
use tracing::Subscriber;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::own::{self, NEXT};

/// What the service writes for an order.
const ORDER: &str = "
WITH placed AS (
    INSERT INTO orders (id, api_key_id, subtotal, discount, total)
    VALUES (overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, gen_random_uuid(), 10, 0, 10) RETURNING id)
INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
SELECT id, 1, 1, 'Chicken Waffle', 'Waffle', 10, 1 FROM placed
";

/// How long one attempt of a migration waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// What a loaded machine may add to it.
const SLACK: Duration = Duration::from_secs(2);

/// Orders, one after the other, until they are stopped.
#[derive(Default)]
struct Orders {
    stop: AtomicBool,
    stored: AtomicUsize,
}

impl Orders {
    /// Returns how long the slowest of them took.
    async fn place(&self, client: Client) -> Duration {
        let mut longest = Duration::ZERO;
        while !self.stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            client.batch_execute(ORDER).await.unwrap();
            longest = longest.max(started.elapsed());
            self.stored.fetch_add(1, Ordering::Relaxed);
        }
        longest
    }
}

/// Notes how many orders are stored whenever an attempt of a migration is given up.
struct Retries {
    orders: Arc<Orders>,
    seen: Arc<Mutex<Vec<usize>>>,
}

impl<S: Subscriber> Layer<S> for Retries {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.fields().any(|field| field.name() == "in_the_way") {
            self.seen
                .lock()
                .unwrap()
                .push(self.orders.stored.load(Ordering::Relaxed));
        }
    }
}

#[tokio::test]
async fn orders_never_wait_longer_than_one_attempt_of_a_migration_that_a_long_reader_keeps_waiting() {
    let database = TestDatabase::migrated().await;
    let reader = database.session("BEGIN; SELECT count(*) FROM orders").await;
    let orders = Arc::new(Orders::default());
    let stream = tokio::spawn({
        let (orders, client) = (Arc::clone(&orders), database.client().await);
        async move { orders.place(client).await }
    });
    let stored_at_retries = Arc::new(Mutex::new(Vec::new()));
    let note = own::migration(
        NEXT,
        "yes",
        "ALTER TABLE orders ADD COLUMN note text;",
        "ALTER TABLE orders DROP COLUMN note;",
    );
    let migrator = own::migrator(&database, &[note]);
    // The runtime has one thread, so that the run's log lines come to this subscriber.
    let watch = Retries {
        orders: Arc::clone(&orders),
        seen: Arc::clone(&stored_at_retries),
    };
    let _guard = tracing_subscriber::registry().with(watch).set_default();

    let migration = tokio::spawn(async move { migrator.up(None).await });
    eventually("two attempts are given up", async || {
        stored_at_retries.lock().unwrap().len() >= 2
    })
    .await;
    let alive =
        "SELECT heartbeat_at > started_at + interval '4 s' FROM bootstrap_runs WHERE outcome = 'running'";
    database.until("the run shows that it is alive", alive, "t").await;
    reader.batch_execute("COMMIT").await.unwrap();
    let done = migration.await.unwrap().unwrap();
    orders.stop.store(true, Ordering::Relaxed);
    let longest = stream.await.unwrap();

    let stored = stored_at_retries.lock().unwrap().clone();
    assert!(
        stored.windows(2).all(|pair| pair[0] < pair[1]),
        "orders got through between any two attempts: {stored:?}"
    );
    assert!(longest < LOCK_TIMEOUT + SLACK, "an order took {longest:?}");
    assert_eq!((done.after, done.retries as usize), (NEXT, stored.len()));
    let count = orders.stored.load(Ordering::Relaxed).to_string();
    let all = "SELECT count(*) FROM orders JOIN order_items ON order_id = id";
    assert_eq!(database.value(all).await, count);
    let record =
        "SELECT outcome, message FROM bootstrap_runs WHERE command = 'up' ORDER BY started_at DESC LIMIT 1";
    let said = format!(
        "changed|from version {} to {NEXT}, {} attempts given up for want of a lock",
        NEXT - 1,
        stored.len()
    );
    assert_eq!(database.value(record).await, said);
}
