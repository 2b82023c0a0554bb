//! Orders that cannot be stored in time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::fixtures::PIZZA;
use crate::harness::TestApp;

/// Seconds that an order may take.
const DEADLINE: u64 = 2;
/// By when it is answered: a busy machine may be slow.
const IN_TIME: Duration = Duration::from_secs(DEADLINE + 3);

#[tokio::test]
async fn orders_that_wait_for_a_locked_table_are_unavailable_in_time_and_never_stored() {
    let app = TestApp::with(|settings| settings.order_deadline_s = DEADLINE).await;
    app.promotion("LIMITED").max_uses(1000).insert().await;
    for table in ["orders", "order_items"] {
        let orders = app.order_count().await;
        let holder = app
            .database
            .session(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            .await;
        let order = |n: usize| {
            let order = app.place_order([(PIZZA, 1)]);
            match n % 4 {
                0 => order.coupon("LIMITED"),
                1 => order.idempotency_key(&format!("{table}-{n}")),
                _ => order,
            }
        };
        let started = Instant::now();

        let answers = join_all((0..40).map(|n| order(n).send())).await;

        let taken = started.elapsed();
        assert!(taken < IN_TIME, "{taken:?}");
        for answer in answers {
            assert_eq!(answer.error(), (503, "unavailable".into()), "{table}");
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
        until_idle(&app).await;
        assert_eq!(app.order_count().await, orders, "{table}");
        assert_eq!(
            app.database.value("SELECT count(*) FROM idempotency_keys").await,
            "0"
        );
        app.place_order([(PIZZA, 1)]).accepted().await;
    }
    assert_eq!(app.order_count().await, 2);
}

/// Waits until nothing that was sent is in progress any more.
async fn until_idle(app: &TestApp) {
    let busy = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'order-food' AND state <> 'idle'";
    app.database.until("the sessions are idle", busy, "0").await;
}
