//! Millions of orders in the table: does it cost anything?

use std::thread;

use anyhow::{Context, ensure};
use shop::HashKeys;

use crate::figures::{Subject, alternate};
use crate::load::{ORDERS, Requests};
use crate::report::Report;
use crate::setup::{Database, Keeps, Setup};
use crate::sql::Sql;

const CONNECTIONS: u64 = 64;
/// Orders of one statement that fills the tables.
const PIECE: u64 = 500_000;
/// How many orders lie before the deep page.
const DEPTH: u64 = 200_000;
/// The key that may read all orders, and the one that has placed one of 100,000.
pub(super) const READER: &str = "bench-reads-all";
const RARE: &str = "bench-orders-rarely";
/// The newest orders, of which one of so many is placed still.
const WINDOW: u64 = 5_000;
const OPEN_ONE_IN: u64 = 25;
const RARE_ONE_IN: u64 = 100_000;

/// The id of order number `n`: a UUID of version 7, one each 10 ms up to now.
const ID: &str =
    "(lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint - 10 * ($1::bigint - n)), 12, '0')
    || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid";

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let empty = setup.database("unfilled")?;
    let full = setup.database("filled")?;
    fill(&full, setup.arguments.orders)?;
    let in_empty = setup.order_food(&empty)?;
    let in_full = setup.order_food(&full)?;
    let orders = |server, database| setup.orders((server, database, Keeps::Everything), CONNECTIONS, ORDERS);
    let series = alternate(
        "large",
        setup.arguments.rounds,
        [
            Subject::new("order-food, an empty table", || orders(&in_empty, &empty)),
            Subject::new("order-food, a full table", || orders(&in_full, &full)),
        ],
    )?;
    let [of_empty, of_full] = &series;
    let what = format!(
        "POST with {} orders stored, against an empty table",
        setup.arguments.orders
    );
    report.at_least(&what, of_full.rate_through(of_empty), 0.9, "×");
    report.all_accepted("POST into a full table", of_full);
    report.add(series);
    pages(setup, report, &full)?;
    open_orders(setup, report, &full)
}

/// Pages of the open orders: 200 of the 5,000 newest are placed still, all others were picked up.
fn open_orders(setup: &Setup, report: &mut Report, full: &Database) -> anyhow::Result<()> {
    full.sql.run(&format!(
        "UPDATE order_life_cycle SET began_at = now() - interval '30 days';
         INSERT INTO order_states (order_id, status, version, changed_at)
         SELECT id, 'picked_up', 5, created_at FROM orders
         WHERE id NOT IN (SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS age FROM orders) AS newest
                          WHERE age <= {WINDOW} AND age % {OPEN_ONE_IN} = 0)"
    ))?;
    full.sql.run("VACUUM ANALYZE order_states")?;
    // Seconds since the oldest of them, and a minute in which the load runs.
    let window = full.sql.number(&format!(
        "SELECT (extract(epoch FROM now()) - ('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000)::bigint + 60
         FROM orders ORDER BY id DESC OFFSET {WINDOW} LIMIT 1"
    ))?;
    let window = [("ORDER_OPEN_WINDOW", window.to_string())];
    let server = setup.order_food_with(full, &window)?;
    let load = |path| setup.load(&server, 1, Requests::Get(path, READER));
    let series = alternate(
        "large",
        setup.arguments.rounds,
        [
            Subject::new("GET /api/order?status=placed", || {
                load("/api/order?status=placed")
            }),
            Subject::new("GET /api/order, all open, with states", || {
                load("/api/order?status=placed,accepted,preparing,ready&expand=status&limit=100")
            }),
        ],
    )?;
    for one in &series {
        let what = format!("{}, 1 connection, p99", one.name);
        report.at_most(&what, one.p99_ms(), 5.0, "ms");
        report.all_accepted(&one.name, one);
    }
    report.add(series);
    Ok(())
}

fn pages(setup: &Setup, report: &mut Report, full: &Database) -> anyhow::Result<()> {
    let depth = DEPTH.min(setup.arguments.orders / 2);
    let cursor = |filter| {
        let query = format!("SELECT id::text FROM orders {filter} ORDER BY id DESC OFFSET {depth} LIMIT 1");
        let id = full.sql.text(&query)?;
        anyhow::Ok(format!("/api/order?cursor={id}"))
    };
    let deep = cursor("")?;
    let own_deep = cursor("WHERE api_key_id = '018f4e5a-0000-7000-8000-0000000000a1'")?;
    let server = setup.order_food(full)?;
    let load = |path, key| setup.load(&server, 1, Requests::Get(path, key));
    let series = alternate(
        "large",
        setup.arguments.rounds,
        [
            Subject::new("GET /api/order, own orders", || load("/api/order", "apitest")),
            Subject::new("GET /api/order, own, 200,000 deep", || load(&own_deep, "apitest")),
            Subject::new("GET /api/order, all orders", || load("/api/order", READER)),
            Subject::new("GET /api/order, all, 200,000 deep", || load(&deep, READER)),
            Subject::new("GET /api/order, a key with few orders", || {
                load("/api/order", RARE)
            }),
        ],
    )?;
    for one in &series {
        report.at_most(
            &format!("{}, 1 connection, p99", one.name),
            one.p99_ms(),
            3.0,
            "ms",
        );
        report.all_accepted(&one.name, one);
    }
    report.add(series);
    Ok(())
}

/// Fills the tables with orders of two lines each, older than any that will come, in the order of
/// their ids.
pub(super) fn fill(database: &Database, orders: u64) -> anyhow::Result<()> {
    for (id, key, scopes) in [
        (
            "018f4e5a-0000-7000-8000-0000000000b1",
            READER,
            "{read_all_orders}",
        ),
        ("018f4e5a-0000-7000-8000-0000000000b2", RARE, "{read_orders}"),
    ] {
        insert_key(&database.sql, id, key, scopes)?;
    }
    let wanted = i64::try_from(orders)?;
    let now = database
        .sql
        .text("SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS.USOF')")?;
    let id = ID
        .replace("now()", &format!("timestamptz '{now}'"))
        .replace("$1", &wanted.to_string());
    let orders = format!(
        "INSERT INTO orders (id, created_at, api_key_id, coupon_code, subtotal, discount, total)
         SELECT {id}, now() - interval '1 day' - ({wanted} - n) * interval '10 ms',
                CASE WHEN n % {RARE_ONE_IN} = 0 THEN '018f4e5a-0000-7000-8000-0000000000b2'::uuid
                     ELSE '018f4e5a-0000-7000-8000-0000000000a1' END,
                CASE WHEN n % 2 = 0 THEN 'SAVE10' END, 35.97, 3.60, 32.37"
    );
    let lines = format!(
        "INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         SELECT {id}, line, 1, 'Chicken Waffle', 'Waffle', 12.99, 1"
    );
    let fillers = [(orders, ""), (lines, ", generate_series(1, 2) AS line")].map(|(insert, by)| {
        let url = database.url.clone();
        thread::spawn(move || {
            let sql = Sql::connect(&url)?;
            let mut from = 1;
            while from <= wanted {
                let to = (from + i64::try_from(PIECE)? - 1).min(wanted);
                sql.run(&format!("{insert} FROM generate_series({from}, {to}) AS n{by}"))?;
                from = to + 1;
            }
            anyhow::Ok(())
        })
    });
    for filler in fillers {
        filler.join().ok().context("filling the tables")??;
    }
    database.sql.run("VACUUM ANALYZE")?;
    database.sql.run("CHECKPOINT")?;
    ensure!(
        database.sql.number("SELECT count(*) FROM orders")? == wanted,
        "the tables are not full"
    );
    Ok(())
}

/// Adds an API key with these scopes, an array of SQL.
pub(super) fn insert_key(sql: &Sql, id: &str, key: &str, scopes: &str) -> anyhow::Result<()> {
    let keys = HashKeys::parse(None, false)?;
    let hash = keys.writer().hash(key.as_bytes());
    sql.execute(
        "INSERT INTO api_keys (id, key_hash, hash_key_id, user_id, scopes)
         SELECT $1::text::uuid, $2, $3, id, $4::text::text[] FROM users LIMIT 1",
        &[&id, &hash.0.as_slice(), &keys.writer().id(), &scopes],
    )?;
    Ok(())
}
