//! The next build migrates under the orders that this one takes.

use database_migration::{Migration, Migrator};
use test_support::scaled;

use super::load::Load;
use crate::harness::TestApp;

/// What a build to come may do to the tables of an order, each with the way back.
const CHANGES: [(&str, &str, &str); 4] = [
    (
        "yes",
        "ALTER TABLE orders ADD COLUMN note_{v} text, ADD COLUMN tip_{v} numeric(10, 2) NOT NULL DEFAULT 0;",
        "ALTER TABLE orders DROP COLUMN note_{v}, DROP COLUMN tip_{v};",
    ),
    (
        "none",
        "CREATE INDEX CONCURRENTLY idempotency_keys_order_{v} ON idempotency_keys (order_id);",
        "DROP INDEX CONCURRENTLY idempotency_keys_order_{v};",
    ),
    (
        "yes",
        "ALTER TABLE order_items ADD CONSTRAINT order_items_line_{v} CHECK (line > 0) NOT VALID;
         ALTER TABLE order_items VALIDATE CONSTRAINT order_items_line_{v};
         ALTER TABLE promotion_uses ADD COLUMN since_{v} timestamptz;",
        "ALTER TABLE order_items DROP CONSTRAINT order_items_line_{v};
         ALTER TABLE promotion_uses DROP COLUMN since_{v};",
    ),
    (
        "yes",
        "ALTER TABLE idempotency_keys ADD COLUMN client_{v} text;
         ALTER TABLE products ADD COLUMN allergens_{v} text[] NOT NULL DEFAULT '{}';",
        "ALTER TABLE idempotency_keys DROP COLUMN client_{v};
         ALTER TABLE products DROP COLUMN allergens_{v};",
    ),
];

#[tokio::test]
async fn a_build_that_serves_orders_refuses_none_while_the_next_one_migrates() {
    let app = TestApp::start().await;
    app.promotion("LIMITED").max_uses(1_000_000).insert().await;
    let mut migrator = Migrator::new(app.database.database()).unwrap();
    let newest = migrator.newest();
    let load = Load::start(app.server.address(), 4);

    for round in 0..scaled(20) {
        for (version, change) in (migrator.newest() + 1..).zip(CHANGES) {
            migrator.migrations.push(migration(version, change));
        }
        let to = migrator.newest();
        let done = migrator.up(None).await.unwrap();
        assert_eq!(done.after, to, "round {round}");
        load.goes_on(20).await;
    }
    migrator.allow_destructive = true;
    let done = migrator.down(database_migration::Back::To(newest)).await.unwrap();
    assert_eq!(done.after, newest);
    load.goes_on(20).await;

    let books = load.close().await;
    books.are_all_accepted();
    books.agree_with(&app.database.client().await).await;
}

fn migration(version: i32, (transaction, up, down): (&str, &str, &str)) -> Migration {
    let fill = |text: &str| text.replace("{v}", &version.to_string());
    let metadata = format!(
        "run_in_transaction = {}\nstep = \"alterTables\"\nmin_compatible_schema = 1\n",
        transaction == "yes"
    );
    let (up, down) = (
        format!("-- Why.\n{}\n", fill(up)),
        format!("-- Back.\n{}\n", fill(down)),
    );
    Migration::parse(&format!("{version:04}_next"), &up, &down, &metadata).unwrap()
}
