//! Another session holds the row of a limited promotion.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::fixtures::{APITEST, PIZZA};
use crate::harness::TestApp;

const USES: &str = "SELECT uses FROM promotion_uses WHERE code = 'LIMITED'";
const STORED: &str = "SELECT count(*) FROM orders WHERE coupon_code = 'LIMITED'";
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'order-food'";

#[tokio::test]
async fn a_locked_promotion_holds_up_its_own_orders_and_no_others() {
    let app = TestApp::with(|settings| {
        settings.order_deadline_s = 4;
        settings.pool_size = 6;
        settings.writer_connections_max = 1;
    })
    .await;
    app.promotion("LIMITED").max_uses(1000).insert().await;
    let limited = || app.place_order([(PIZZA, 2)]).coupon("LIMITED");
    limited().accepted().await;
    let holder = app
        .database
        .session("BEGIN; SELECT * FROM promotion_uses FOR UPDATE")
        .await;

    let answered = Cell::new(false);
    let started = Instant::now();
    let held_up = async {
        let answers = join_all((0..30).map(|_| limited().send())).await;
        answered.set(true);
        (answers, started.elapsed())
    };
    let others = async {
        let (mut orders, mut slowest, mut most_sessions) = (0, Duration::ZERO, 0);
        while !answered.get() {
            app.place_order([(PIZZA, 1)]).accepted().await;
            orders += 1;
            let asked = Instant::now();
            assert_eq!(app.get_as(APITEST, "/api/order").await.status(), 200);
            slowest = slowest.max(asked.elapsed());
            assert_eq!(app.get("/ready").await.status(), 200);
            let sessions: usize = app.database.value(SESSIONS).await.parse().unwrap();
            most_sessions = most_sessions.max(sessions);
        }
        (orders, slowest, most_sessions)
    };
    let ((answers, taken), (orders, slowest, most_sessions)) = tokio::join!(held_up, others);

    for answer in answers {
        assert_eq!(answer.error(), (503, "unavailable".into()));
    }
    assert!(taken < Duration::from_secs(4 + 3), "{taken:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(
        most_sessions <= 6 + 2 + 2 + 4,
        "{most_sessions}: the pool, the reader of snapshots, the listener, the writer, its retries"
    );
    assert_eq!(app.order_count().await, orders + 1);

    holder.batch_execute("ROLLBACK").await.unwrap();
    limited().accepted().await;
    assert_eq!(app.database.value(USES).await, "2");
    assert_eq!(app.database.value(STORED).await, "2");
}
