//! What is counted equals a direct sum over the orders, in whatever order transactions commit.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use test_support::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

use super::days::parse_day;
use super::queries::sales;
use super::{Days, Dimension, count};

/// Zones whose clocks are changed within the days of the orders, at midnight and by half an hour,
/// or are apart from UTC by odd minutes, and the day before and behind it.
const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Niue",
];

/// Transactions that are open at the same time.
const WRITERS: usize = 4;

#[derive(Clone, Debug)]
struct Order {
    id: u128,
    minute: i64,
    coupon: Option<&'static str>,
    /// Product, cents, quantity.
    lines: Vec<(i64, i64, i64)>,
    /// Share of the subtotal, in thousandths.
    discount: i64,
    /// Whether it was cancelled or rejected.
    is_void: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, Order),
    /// Cancels or rejects one of the committed orders.
    Void(usize, usize),
    Commit(usize),
    Roll(usize),
    Refresh,
    Zone(usize),
}

fn order() -> impl Strategy<Value = Order> {
    (
        // Ids of the years to 2026, whose partition there always is.
        0..0x019b_u128 << 112,
        0..4 * 24 * 60_i64,
        prop::sample::select(vec![None, Some("SAVE10"), Some("BULKCODE")]),
        prop::collection::vec((1..6_i64, 0..2_000_i64, 1..4_i64), 1..5),
        0..=1_000_i64,
    )
        .prop_map(|(id, minute, coupon, lines, discount)| Order {
            id,
            minute,
            coupon,
            lines,
            discount,
            is_void: false,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..WRITERS, order()).prop_map(|(writer, order)| Step::Insert(writer, order)),
        3 => (0..WRITERS, 0..100_usize).prop_map(|(writer, order)| Step::Void(writer, order)),
        4 => (0..WRITERS).prop_map(Step::Commit),
        1 => (0..WRITERS).prop_map(Step::Roll),
        3 => Just(Step::Refresh),
        1 => (0..ZONES.len()).prop_map(Step::Zone),
    ]
}

impl Order {
    fn plain(id: u128, minute: i64) -> Order {
        Order {
            id,
            minute,
            coupon: None,
            lines: vec![(1, 1_299, 2)],
            discount: 0,
            is_void: false,
        }
    }

    fn subtotal(&self) -> i64 {
        self.lines
            .iter()
            .map(|(_, cents, quantity)| cents * quantity)
            .sum()
    }

    fn discount(&self) -> i64 {
        self.subtotal() * self.discount / 1_000
    }

    /// The first of November 2026 is when clocks go back in Havana; the others' changes are near.
    fn created_at(&self) -> DateTime<Utc> {
        let start: DateTime<Utc> = "2026-10-30T12:00:00Z".parse().unwrap();
        start + TimeDelta::minutes(self.minute)
    }

    fn insert(&self) -> String {
        let money = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
        let lines: Vec<String> = self
            .lines
            .iter()
            .enumerate()
            .map(|(line, (product, cents, quantity))| {
                let category = ["Waffle", "Salad"][usize::try_from(product % 2).unwrap()];
                format!(
                    "('{}', {}, {product}, 'P', '{category}', {}, {quantity})",
                    Uuid::from_u128(self.id),
                    line + 1,
                    money(*cents)
                )
            })
            .collect();
        format!(
            "INSERT INTO orders (id, created_at, api_key_id, coupon_code, subtotal, discount, total)
             VALUES ('{}', '{}', gen_random_uuid(), {}, {}, {}, {});
             INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity) VALUES {}",
            Uuid::from_u128(self.id),
            self.created_at().to_rfc3339(),
            self.coupon.map_or("NULL".into(), |code| format!("'{code}'")),
            money(self.subtotal()),
            money(self.discount()),
            money(self.subtotal() - self.discount()),
            lines.join(", ")
        )
    }
}

/// By dimension and key: orders, units, gross, discounts, total, cancelled orders and their total.
type Sums = Vec<(&'static str, String, [i64; 7])>;

/// The sums by plain addition.
async fn direct(client: &Client, orders: &[Order], zone: &str) -> Sums {
    let mut sums: BTreeMap<(&'static str, String), [i64; 6]> = BTreeMap::new();
    let mut add = |by: &'static str, key: String, values: [i64; 6]| {
        let sum = sums.entry((by, key)).or_default();
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    };
    for order in orders {
        let (subtotal, discount) = (order.subtotal(), order.discount());
        let units = order.lines.iter().map(|(.., quantity)| quantity).sum();
        let void = i64::from(order.is_void);
        let total = subtotal - discount;
        let day = "SELECT to_char($1::timestamptz AT TIME ZONE $2, 'YYYY-MM-DD')";
        let day = client
            .query_one(day, &[&order.created_at(), &zone])
            .await
            .unwrap();
        let promotion = order.coupon.filter(|code| *code == "SAVE10").unwrap_or_default();
        for (by, key) in [("day", day.get(0)), ("promotion", promotion.to_owned())] {
            add(by, key, [1, units, subtotal, discount, void, void * total]);
        }
        let (mut up_to, mut taken) = (0, 0);
        let mut seen: Vec<(&str, String)> = Vec::new();
        for (product, cents, quantity) in &order.lines {
            let gross = cents * quantity;
            up_to += gross;
            let part = (discount * up_to).checked_div(subtotal).unwrap_or(0) - taken;
            taken += part;
            let category = ["Waffle", "Salad"][usize::try_from(product % 2).unwrap()];
            for (by, key) in [("product", product.to_string()), ("category", category.into())] {
                let is_new = !seen.contains(&(by, key.clone()));
                seen.push((by, key.clone()));
                let count = i64::from(is_new);
                add(
                    by,
                    key,
                    [count, *quantity, gross, part, void * count, void * (gross - part)],
                );
            }
        }
        assert_eq!(taken, discount, "{order:?}");
    }
    sums.into_iter()
        .map(|((by, key), [orders, units, gross, discounts, void, lost])| {
            let total = gross - discounts;
            (by, key, [orders, units, gross, discounts, total, void, lost])
        })
        .collect()
}

/// The sums as the report reads them.
async fn reported(connection: &mut AsyncPgConnection, zone: &str) -> Sums {
    let days = Days::new(parse_day("2026-10-01").unwrap(), parse_day("2026-11-30").unwrap()).unwrap();
    let mut sums = Vec::new();
    for by in Dimension::ALL {
        let report = sales(connection, days, by, zone).await.unwrap();
        assert!(report.as_of.is_some(), "every day was counted");
        sums.extend(report.rows.into_iter().map(|row| {
            let sums = row.sums;
            let [gross, discounts, total, lost] =
                [sums.gross, sums.discounts, sums.total, sums.cancelled_total].map(|amount| amount.0.cents());
            let (orders, units, void) = (sums.orders, sums.units, sums.cancelled_orders);
            let values = [orders, units, gross, discounts, total, void, lost];
            (by.name(), row.key, values)
        }));
    }
    sums.sort();
    sums
}

/// What a refresh does until nothing is due.
async fn refresh(connection: &mut AsyncPgConnection, zone: &str) -> Vec<NaiveDate> {
    count::find_news(connection, zone).await.unwrap();
    let due = count::due(connection, 1_000).await.unwrap();
    for day in &due {
        assert!(count::count(connection, *day).await.unwrap());
    }
    due
}

async fn run(database: &TestDatabase, steps: &[Step]) {
    database
        .execute(
            "TRUNCATE orders, order_items, order_states, sales_daily, sales_days_due, sales_watermark, promotions CASCADE;
             INSERT INTO promotions (code, kind, value) VALUES ('SAVE10', 'percentage', 10)",
        )
        .await;
    let mut connection = database.database().connect_diesel().await.unwrap();
    let reader = database.client().await;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push((database.session("BEGIN").await, Vec::new()));
    }
    // Orders that a writer voids, until its transaction ends.
    let mut voided: Vec<(usize, u128)> = Vec::new();
    let (mut committed, mut zone): (Vec<Order>, _) = (Vec::new(), ZONES[0]);

    for step in steps.iter().chain([&Step::Refresh]) {
        match step {
            Step::Insert(writer, order) => {
                let (client, pending) = &mut writers[*writer];
                client.batch_execute(&order.insert()).await.unwrap();
                pending.push(order.clone());
            }
            Step::Void(writer, number) => {
                let open = |order: &&Order| !order.is_void && voided.iter().all(|(_, id)| *id != order.id);
                let Some(order) = committed
                    .iter()
                    .filter(open)
                    .nth(*number % committed.len().max(1))
                else {
                    continue;
                };
                let status = ["cancelled", "rejected"][number % 2];
                let void = format!(
                    "INSERT INTO order_states (order_id, status, version, reason) VALUES ('{}', '{status}', 2, 'other')",
                    Uuid::from_u128(order.id)
                );
                voided.push((*writer, order.id));
                writers[*writer].0.batch_execute(&void).await.unwrap();
            }
            Step::Commit(writer) => {
                let (client, pending) = &mut writers[*writer];
                client.batch_execute("COMMIT; BEGIN").await.unwrap();
                committed.append(pending);
                for (_, id) in voided.extract_if(.., |(by, _)| by == writer) {
                    committed
                        .iter_mut()
                        .filter(|order| order.id == id)
                        .for_each(|order| order.is_void = true);
                }
            }
            Step::Roll(writer) => {
                let (client, pending) = &mut writers[*writer];
                client.batch_execute("ROLLBACK; BEGIN").await.unwrap();
                pending.clear();
                voided.retain(|(by, _)| by != writer);
            }
            Step::Zone(number) => zone = ZONES[*number],
            Step::Refresh => {
                refresh(&mut connection, zone).await;
                let expected = direct(&reader, &committed, zone).await;
                assert_eq!(reported(&mut connection, zone).await, expected);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_sales_equal_a_sum_over_the_committed_orders() {
    let database = TestDatabase::migrated().await;
    let cases = test_support::scaled(160).try_into().unwrap();
    let handle = tokio::runtime::Handle::current();

    let outcome = tokio::task::spawn_blocking(move || {
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config).run(&prop::collection::vec(step(), 1..60), |steps| {
            handle.block_on(run(&database, &steps));
            Ok(())
        })
    });

    outcome.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_order_that_commits_after_later_ones_were_counted_is_counted_next() {
    let database = TestDatabase::migrated().await;
    let mut connection = database.database().connect_diesel().await.unwrap();
    let late = database.session("BEGIN").await;
    late.batch_execute(&Order::plain(1, 10).insert()).await.unwrap();
    database.execute(&Order::plain(2, 4_000).insert()).await;
    let first = refresh(&mut connection, "UTC").await;

    late.batch_execute("COMMIT").await.unwrap();
    let second = refresh(&mut connection, "UTC").await;

    let day = |text| parse_day(text).unwrap();
    assert_eq!(first, [day("2026-11-02")]);
    // Others may be counted again: what else ran on the server kept the watermark back.
    assert!(second.contains(&day("2026-10-30")), "{second:?}");
    let counted = "SELECT sum(orders), sum(total) FROM sales_daily WHERE dimension = 'day'";
    assert_eq!(database.value(counted).await, "2|51.96");
}

#[tokio::test]
async fn a_day_that_is_due_holds_as_of_back_and_only_its_own_range() {
    let database = TestDatabase::migrated().await;
    let mut connection = database.database().connect_diesel().await.unwrap();
    database.execute(&Order::plain(7, 0).insert()).await;
    let range = |from, to| Days::new(parse_day(from).unwrap(), parse_day(to).unwrap()).unwrap();
    let (its, other) = (
        range("2026-10-30", "2026-10-30"),
        range("2026-11-01", "2026-11-30"),
    );

    let mut as_of = Vec::new();
    for step in ["nothing", "found", "counted", "marked"] {
        match step {
            "found" => count::find_news(&mut connection, "UTC").await.unwrap(),
            "counted" => drop(refresh(&mut connection, "UTC").await),
            "marked" => assert_eq!(count::mark(&mut connection, its).await.unwrap(), 1),
            _ => {}
        }
        for days in [its, other] {
            let report = sales(&mut connection, days, Dimension::Day, "UTC").await.unwrap();
            as_of.push(report.as_of.is_some());
        }
    }
    assert_eq!(as_of, [false, false, false, true, true, true, true, true]);
    let elsewhere = sales(&mut connection, its, Dimension::Day, "Asia/Tokyo")
        .await
        .unwrap();
    assert!(elsewhere.as_of.is_none());
}

#[tokio::test]
async fn tables_that_come_from_another_server_are_counted_anew() {
    let database = TestDatabase::migrated().await;
    let mut connection = database.database().connect_diesel().await.unwrap();
    refresh(&mut connection, "UTC").await;

    for moved in ["cluster = cluster + 1", "xid = 1::bigint << 40"] {
        database
            .execute(&format!(
                "DELETE FROM orders; DELETE FROM order_items; UPDATE sales_watermark SET {moved};
                 INSERT INTO orders (id, created_at, api_key_id, subtotal, discount, total, changed_xid)
                 VALUES (overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, '2026-01-05T10:00Z', gen_random_uuid(), 5, 1, 4, 3)"
            ))
            .await;

        let due = refresh(&mut connection, "UTC").await;

        assert_eq!(due, [parse_day("2026-01-05").unwrap()], "{moved}");
        connection.batch_execute("SELECT").await.unwrap();
    }
}
