//! A million orders become the oldest partition while orders are stored and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use test_support::{TestDatabase, scaled};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::own;

/// Version before the one that divides the tables.
const BEFORE: i32 = 10;

/// What the build of that version stores an order with, prepared once for each connection.
const STORE: &str = "
    WITH placed AS (
        INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total)
        SELECT unnest($1::uuid[]), unnest($2::uuid[]), NULL, 10, 0, 10
        ON CONFLICT (id) DO NOTHING
        RETURNING id
    )
    INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
    SELECT id, 1, 1, 'Waffle', 'Waffle', 10, 1 FROM placed";

const PAGE: &str = "SELECT id, total FROM orders WHERE id < $1 ORDER BY id DESC LIMIT 20";

/// An attempt waits for its locks for 2 s at most, and a loaded machine may add to it.
const LONGEST: Duration = Duration::from_secs(4);

const FILL: &str = "
    INSERT INTO orders (id, created_at, api_key_id, subtotal, discount, total)
    SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - n), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
        now() - n * interval '1 ms', gen_random_uuid(), 10, 0, 10
    FROM generate_series(1, $1::bigint) AS n";

const FILL_LINES: &str = "
    INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
    SELECT id, line, 1, 'Waffle', 'Waffle', 5, 1 FROM orders, generate_series(1, 2) AS line";

/// Places orders one after the other until told to stop; the longest that one of them took.
async fn place(client: Client, stop: Arc<AtomicBool>, stored: Arc<AtomicU32>) -> Duration {
    client
        .batch_execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        .await
        .unwrap();
    let store = client.prepare(STORE).await.unwrap();
    let page = client.prepare(PAGE).await.unwrap();
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let (started, id) = (Instant::now(), Uuid::now_v7());
        let lines = client.execute(&store, &[&vec![id], &vec![id]]).await.unwrap();
        assert_eq!(lines, 1);
        let read = client.query(&page, &[&Uuid::max()]).await.unwrap();
        assert!(read.len() == 20);
        longest = longest.max(started.elapsed());
        stored.fetch_add(1, Ordering::Relaxed);
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_table_is_taken_along_without_being_written_anew_while_orders_are_stored() {
    let rows = scaled(1_000_000);
    let database = TestDatabase::empty().await;
    let mut earlier = own::migrator(&database, &[]);
    earlier.migrations = own::earlier(BEFORE);
    earlier.up(None).await.unwrap();
    let client = database.client().await;
    client
        .execute(FILL, &[&i64::try_from(rows).unwrap()])
        .await
        .unwrap();
    client.batch_execute(FILL_LINES).await.unwrap();
    let file = "SELECT pg_relation_filenode(oid) FROM pg_class WHERE oid = $1::oid";
    let oid: u32 = client
        .query_one("SELECT 'orders'::regclass::oid", &[])
        .await
        .unwrap()
        .get(0);
    let before: Option<u32> = client.query_one(file, &[&oid]).await.unwrap().get(0);
    let (stop, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut streams = Vec::new();
    for _ in 0..4 {
        let client = database.client().await;
        streams.push(tokio::spawn(place(client, stop.clone(), stored.clone())));
    }

    let started = Instant::now();
    let done = own::migrator(&database, &[]).up(None).await.unwrap();
    let took = started.elapsed();
    let by_then = stored.load(Ordering::Relaxed);
    while stored.load(Ordering::Relaxed) < by_then + 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut longest = Duration::ZERO;
    for stream in streams {
        longest = longest.max(stream.await.unwrap());
    }

    let stored = stored.load(Ordering::Relaxed);
    println!("{rows} orders: up took {took:?}, {stored} orders stored meanwhile, the slowest in {longest:?}");
    assert!(done.after > BEFORE && longest < LONGEST, "{longest:?}");
    let after: Option<u32> = client.query_one(file, &[&oid]).await.unwrap().get(0);
    assert_eq!(after, before, "the table was written anew");
    let counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_items)";
    let expected = format!("{}|{}", rows + stored as usize, 2 * rows + stored as usize);
    assert_eq!(database.value(counts).await, expected);
    let whole = "SELECT relkind, (SELECT count(*) FROM pg_inherits WHERE inhparent = pg_class.oid)
        FROM pg_class WHERE relname IN ('orders', 'order_items')";
    assert_eq!(database.rows(whole).await, [["p", "4"], ["p", "4"]]);
}
