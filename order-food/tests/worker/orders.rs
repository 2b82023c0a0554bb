//! The kinds `orders.*`: placed orders that are accepted or rejected without anybody.

use test_support::{TestDatabase, Worker};

use crate::harness::PROGRAM;

/// 1,500 orders of each age, in hours; those of 50 hours are from before the life cycle. Each
/// second one was counted for a promotion.
const ORDERS: &str = "
    UPDATE order_life_cycle SET began_at = now() - interval '40 h', answered_until = now() - interval '41 h';
    INSERT INTO promotions (code, kind, value, max_uses) VALUES ('LIMITED', 'percentage', 10, 100000);
    INSERT INTO promotion_uses (code, uses) VALUES ('LIMITED', 2250);
    INSERT INTO webhook_endpoints (id, url, events)
    VALUES (gen_random_uuid(), 'http://127.0.0.1:9/', ARRAY['order.status_changed']);
    INSERT INTO job_control (scope, paused_by, reason) VALUES ('kind:order.webhook', 'test', 'counted below');
    INSERT INTO orders (id, created_at, api_key_id, subtotal, discount, total, coupon_code, promotion_use)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000'
            || lpad(to_hex(number), 12, '0'))::uuid,
        at, gen_random_uuid(), 1, 0, 1, 'LIMITED', nullif(number % 2 = 0, false)
    FROM generate_series(1, 1500) AS number, unnest(ARRAY[0, 1, 30, 50]) AS age,
        LATERAL (SELECT now() - age * interval '1 h' AS at) AS placed";

/// Hours, status, reason and number of orders with a row.
const STATES: &str = "
    SELECT string_agg(line, ', ' ORDER BY line) FROM (
        SELECT round(extract(epoch FROM now() - created_at) / 3600) || ' ' || order_states.status || ' '
            || coalesce(order_states.reason, '-') || ' ' || count(*) AS line
        FROM orders JOIN order_states ON order_id = id GROUP BY round(extract(epoch FROM now() - created_at) / 3600),
            order_states.status, order_states.reason
    ) AS lines";

/// Events that no state and no webhook goes with, or the other way around.
const WRONG: &str = "
    SELECT count(*) FROM order_events
    FULL JOIN order_states USING (order_id, version)
    FULL JOIN (SELECT * FROM job WHERE kind = 'order.webhook') AS job ON payload ->> 'order' = order_id::text
    WHERE order_events.actor IS DISTINCT FROM 'system' OR order_events.actor_id IS NOT NULL
        OR order_states.status IS DISTINCT FROM order_events.to_status
        OR job.payload ->> 'status' IS DISTINCT FROM order_events.to_status";

async fn database() -> TestDatabase {
    let database = TestDatabase::migrated().await;
    database.execute(ORDERS).await;
    database
}

#[tokio::test]
async fn orders_beyond_the_window_are_rejected_and_those_from_before_the_life_cycle_are_left_alone() {
    let database = database().await;

    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;

    database
        .until(
            "the old ones are rejected",
            STATES,
            "30 rejected not_answered 1500",
        )
        .await;
    database
        .until(
            "the watermark moved on",
            "SELECT answered_until > now() - interval '25 h' FROM order_life_cycle",
            "t",
        )
        .await;
    assert_eq!(database.value(STATES).await, "30 rejected not_answered 1500");
    assert_eq!(database.value("SELECT uses FROM promotion_uses").await, "1500");
    assert_eq!(database.value(WRONG).await, "0");
    worker.stop().await;
}

#[tokio::test]
async fn orders_that_nobody_answers_in_time_are_rejected() {
    let database = database().await;

    let worker = Worker::ready(PROGRAM, database.url(), &[("ORDER_ANSWER_WITHIN", "1800")]).await;

    let expected = "1 rejected not_answered 1500, 30 rejected not_answered 1500";
    database.until("both ages are rejected", STATES, expected).await;
    assert_eq!(database.value("SELECT uses FROM promotion_uses").await, "750");
    assert_eq!(database.value(WRONG).await, "0");
    worker.stop().await;
}

#[tokio::test]
async fn placed_orders_are_accepted_where_that_is_set() {
    let database = database().await;
    database
        .execute(
            "INSERT INTO order_states (order_id, status, version, reason)
             SELECT id, 'rejected', 2, 'too_busy' FROM orders WHERE created_at > now() - interval '30 min';
             INSERT INTO order_events (order_id, version, from_status, to_status, actor)
             SELECT order_id, 2, 'placed', 'rejected', 'staff' FROM order_states",
        )
        .await;
    let environment = [("ORDER_AUTO_ACCEPT", "true"), ("ORDER_READY_MINUTES", "35")];

    let worker = Worker::ready(PROGRAM, database.url(), &environment).await;

    let accepted = "SELECT count(*) || ' ' || bool_and(ready_at = changed_at + interval '35 min')
        FROM order_states WHERE status = 'accepted' AND order_id IN (
            SELECT id FROM orders WHERE created_at BETWEEN now() - interval '2 h' AND now() - interval '30 min')";
    database
        .until("those of an hour ago are accepted", accepted, "1500 true")
        .await;
    let touched = "SELECT count(*) FROM order_events WHERE version > 2";
    assert_eq!(database.value(touched).await, "0");
    let staff = "SELECT count(*) FROM order_states WHERE reason = 'too_busy' AND version = 2";
    assert_eq!(database.value(staff).await, "1500");
    worker.stop().await;
}
