//! What the pages tell of queues: right for few jobs, bounded for many.

use test_support::eventually;

use super::{Browser, app};
use crate::fixtures::VIEWER;
use crate::harness::TestApp;

/// How many jobs of a priority wait, as a page says.
async fn waiting(app: &TestApp, browser: &Browser, path: &str, priority: &str) -> String {
    let text = browser.get(app, path).await.text();
    let row = text.split(&format!("priority={priority}\"")).nth(1);
    let cell = row.and_then(|row| row.split("<td").nth(1)?.split(['>', '<']).nth(1));
    cell.unwrap_or_else(|| panic!("{priority}: {text}")).to_owned()
}

async fn insert(app: &TestApp, priority: u8, number: u32) {
    app.database
        .execute(&format!(
            "INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'kind.unknown', {priority}, 1000, '{{}}' FROM generate_series(1, {number})"
        ))
        .await;
}

#[tokio::test]
async fn few_jobs_are_counted_at_once_and_many_are_counted_as_many() {
    let app = app().await;
    let browser = Browser::logged_in(&app, VIEWER).await;
    assert_eq!(waiting(&app, &browser, "/jobs", "CRITICAL").await, "0");
    insert(&app, 0, 10_000).await;
    insert(&app, 4, 10_050).await;
    for (path, priority, shown) in [
        ("/jobs", "CRITICAL", "10000"),
        ("/jobs", "HIGH", "0"),
        ("/jobs", "BULK", "10,000+"),
        ("/system", "CRITICAL", "10000"),
        ("/system", "BULK", "10,000+"),
    ] {
        assert_eq!(
            waiting(&app, &browser, path, priority).await,
            shown,
            "{path} {priority}"
        );
    }
    insert(&app, 0, 1).await;
    assert_eq!(waiting(&app, &browser, "/jobs", "CRITICAL").await, "10,000+");

    // The sample of a second ago says that there are many; the next one does not.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(waiting(&app, &browser, "/jobs", "BULK").await, "10,000+");
    app.database
        .execute("DELETE FROM job WHERE id NOT IN (SELECT id FROM job WHERE priority = 4 LIMIT 3)")
        .await;
    assert_eq!(waiting(&app, &browser, "/jobs", "CRITICAL").await, "0");
    eventually("the few that are left are counted", async || {
        waiting(&app, &browser, "/jobs", "BULK").await == "3"
    })
    .await;
}

#[tokio::test]
async fn neither_pages_nor_samples_read_the_jobs_of_other_priorities() {
    let app = app().await;
    // Statistics by which an index is no better than the table.
    insert(&app, 0, 60_000).await;
    app.database.execute("ANALYZE job").await;
    let browser = Browser::logged_in(&app, VIEWER).await;
    let read =
        "SELECT seq_tup_read || ' ' || (idx_scan > 100)::text FROM pg_stat_user_tables WHERE relname = 'job'";

    eventually("some pages are counted", async || {
        for path in ["/jobs", "/system"] {
            assert_eq!(browser.get(&app, path).await.status(), 200);
        }
        app.database.value(read).await.ends_with("true")
    })
    .await;

    assert_eq!(app.database.value(read).await, "0 true");
    assert_eq!(waiting(&app, &browser, "/jobs", "CRITICAL").await, "10,000+");
}

#[tokio::test]
async fn orders_of_the_last_minutes_are_counted() {
    let app = app().await;
    let browser = Browser::logged_in(&app, VIEWER).await;
    let rows = async |wanted: [[&str; 3]; 3]| {
        let text = browser.get(&app, "/system").await.text();
        // The name of its region, then its caption.
        let table = text.split("Orders of all replicas").nth(2).unwrap();
        let cells: Vec<&str> = table
            .split("<td")
            .skip(1)
            .take(9)
            .map(|cell| cell.split(['>', '<']).nth(1).unwrap())
            .collect();
        assert_eq!(cells, wanted.concat(), "{table}");
    };
    rows([
        ["minute", "0", "0.0"],
        ["ten minutes", "0", "0.0"],
        ["hour", "0", "0.0"],
    ])
    .await;
    for _ in 0..6 {
        app.place_order([(1, 2)]).id().await;
    }
    // Two of twenty minutes ago, one of two hours ago.
    app.database
        .execute(
            "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
             SELECT (rpad(lpad(to_hex((1000 * extract(epoch FROM now() - age))::bigint), 12, '0') || '70008', 31, '0')
                 || number)::uuid, api_key_id, subtotal, discount, total
             FROM (SELECT * FROM orders LIMIT 1) AS one,
                 (VALUES (1, interval '20 min'), (2, '20 min'), (3, '2 h')) AS old (number, age)",
        )
        .await;

    rows([
        ["minute", "6", "6.0"],
        ["ten minutes", "6", "0.6"],
        ["hour", "8", "0.1"],
    ])
    .await;
}
