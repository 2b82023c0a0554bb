//! The plan of changes, beside many orders in several partitions.

use diesel::pg::Pg;
use shop::OrderStatus;
use test_support::TestDatabase;
use tokio_postgres::{Client, SimpleQueryMessage};
use uuid::Uuid;

use super::statement::{Row, Statement};

/// Orders of each of three months: their partitions are the oldest one and two that lie ahead.
const ORDERS: usize = 20_000;

/// A change of an order that nobody answered.
fn row(order: Uuid, answer: OrderStatus) -> Row<'static> {
    let is_accepted = answer == OrderStatus::Accepted;
    Row {
        order,
        to: answer.name(),
        sources: &["placed"],
        minutes: is_accepted.then_some(20),
        reason: (!is_accepted).then_some("not_answered"),
        actor: if is_accepted { "staff" } else { "system" },
        via: is_accepted.then_some("api"),
        ..Row::default()
    }
}

/// The text that connections prepare.
fn text() -> String {
    let statement = Statement::of(&[]).unwrap();
    let shown = diesel::debug_query::<Pg, _>(&statement).to_string();
    shown.split(" -- binds").next().unwrap().to_owned()
}

/// Returns the partitions that hold orders: what the others are read by does not matter.
async fn fill(database: &TestDatabase) -> Vec<String> {
    database
        .execute(&format!(
            "INSERT INTO orders (id, api_key_id, subtotal, discount, total, coupon_code, promotion_use)
             SELECT (lpad(to_hex((extract(epoch FROM now() + months * interval '35 days') * 1000)::bigint + n), 12, '0')
                     || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), 1, 0, 1,
                 CASE WHEN n % 10 = 0 THEN 'C' || n % 100 END, CASE WHEN n % 10 = 0 THEN true END
             FROM unnest(ARRAY[0, 2, 3]) AS months CROSS JOIN generate_series(1, {ORDERS}) AS n;
             INSERT INTO order_states (order_id, status, version, ready_at)
             SELECT id, 'accepted', 2, now() FROM orders WHERE id::text LIKE '%0';
             INSERT INTO order_events (order_id, version, from_status, to_status, actor)
             SELECT order_id, 2, 'placed', 'accepted', 'staff' FROM order_states;
             INSERT INTO promotions (code, kind, value, min_items, max_uses)
             SELECT 'C' || n, 'percentage', 10, 1, 1000000 FROM generate_series(0, 99) AS n;
             INSERT INTO promotion_uses (code, uses) SELECT code, 1000 FROM promotions WHERE code LIKE 'C%';"
        ))
        .await;
    // As autovacuum does: empty partitions are not analyzed.
    let filled = database
        .rows("SELECT DISTINCT tableoid::regclass::text FROM orders")
        .await;
    let filled = filled.concat();
    let analyze = format!(
        "ANALYZE {}, order_states, order_events, promotions, promotion_uses",
        filled.join(", ")
    );
    database.execute(&analyze).await;
    filled
}

/// The plan of a change of `count` orders from a place on, executed and taken back.
async fn plan(client: &Client, (place, count): (usize, usize), answer: OrderStatus) -> String {
    let ids = format!("SELECT id FROM orders ORDER BY id OFFSET {place} LIMIT {count}");
    let ids = client.query(&ids, &[]).await.unwrap();
    let rows: Vec<Row<'_>> = ids.iter().map(|id| row(id.get(0), answer)).collect();
    let changes = serde_json::to_string(&rows).unwrap();
    let explain = format!("EXPLAIN (ANALYZE, TIMING OFF) EXECUTE change ('{changes}')");
    client.batch_execute("BEGIN").await.unwrap();
    let rows = client.simple_query(&explain).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    let line = |row: &SimpleQueryMessage| match row {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    rows.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_change_reads_no_table_of_orders_as_a_whole_however_it_is_planned() {
    let database = TestDatabase::migrated().await;
    let partitions = fill(&database).await;
    assert_eq!(partitions.len(), 3, "{partitions:?}");
    let states = ["order_states", "order_events"].map(str::to_owned);
    let with_states = [&partitions[..], &states].concat();
    let client = database.client().await;
    let prepare = format!("PREPARE change (text) AS {}", text());
    client.batch_execute(&prepare).await.unwrap();
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let set = format!("SET plan_cache_mode = {mode}");
        client.batch_execute(&set).await.unwrap();
        for (orders, answer) in [
            ((ORDERS / 2, 1), OrderStatus::Accepted),
            ((2 * ORDERS + 7, 1), OrderStatus::Accepted),
            // As periodic jobs do, over the border of two partitions.
            ((ORDERS - 250, 500), OrderStatus::Rejected),
        ] {
            let plan = plan(&client, orders, answer).await;

            // For hundreds of orders, a small table of states may well be read as a whole.
            let tables = if orders.1 == 1 { &with_states } else { &partitions };
            let is_growing = |line: &&str| {
                let table = line.split(" on ").nth(1).unwrap_or_default();
                let name = table.split(' ').next().unwrap_or_default();
                tables.iter().any(|table| table == name)
            };
            let scans: Vec<&str> = plan
                .lines()
                .filter(|line| line.contains(" Scan"))
                .filter(is_growing)
                .collect();
            assert!(!scans.is_empty(), "{plan}");
            let whole = scans.iter().find(|scan| scan.contains("Seq Scan"));
            assert_eq!(whole, None, "{mode}: {plan}");
            // More than two rows for each order would be a scan by another name.
            let rows = scans.iter().filter_map(|scan| {
                let (_, actual) = scan.split_once("(actual rows=")?;
                actual.split([' ', '.']).next()?.parse::<usize>().ok()
            });
            assert!(rows.max().unwrap() <= 2 * orders.1, "{mode}: {plan}");
        }
    }
}
