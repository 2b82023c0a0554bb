//! Each role does what it is for, and tries what it must not do.

use test_support::TestDatabase;

use crate::roles::{Roles, allowed, refused};

/// Rows to look at and to try to change.
async fn with_rows() -> Roles {
    let roles = Roles::in_place().await;
    roles
        .execute(
            "SET ROLE {owner};
             INSERT INTO products (id, name, price, category) VALUES (1, 'Waffle', 9.99, 'Waffle');
             INSERT INTO users (id, email, name, role) VALUES (gen_random_uuid(), 'a@b.c', 'A', 'customer');
             INSERT INTO api_keys (id, key_hash, hash_key_id, user_id, scopes)
             SELECT gen_random_uuid(), sha256('key'), 'id', id, ARRAY['create_order'] FROM users;
             INSERT INTO promotions (code, kind, value, max_uses) VALUES ('LIMITED', 'fixed', 1, 5);
             INSERT INTO orders (id, api_key_id, subtotal, discount, total)
             SELECT overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, id, 10, 0, 10 FROM api_keys;
             INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
             SELECT id, 1, 1, 'Waffle', 'Waffle', 10, 1 FROM orders",
        )
        .await;
    roles
}

const DDL: [&str; 10] = [
    "CREATE TABLE mine (id bigint)",
    "CREATE TEMPORARY TABLE mine (id bigint)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE orders ADD note text",
    "ALTER TABLE orders OWNER TO CURRENT_USER",
    "CREATE INDEX mine ON orders (total)",
    "DROP TABLE orders",
    "TRUNCATE orders",
    "CREATE ROLE mine",
];

const LEDGER: [&str; 4] = [
    "INSERT INTO __diesel_schema_migrations (version) VALUES ('0100')",
    "UPDATE migration_details SET up_sha256 = down_sha256",
    "DELETE FROM __diesel_schema_migrations",
    "TRUNCATE schema_migrations",
];

#[tokio::test]
async fn the_app_takes_orders_and_changes_neither_schema_nor_ledger_nor_reference_data() {
    let roles = with_rows().await;
    let app = roles.client("app").await;

    for sql in [
        "LISTEN dataset_published; UNLISTEN *",
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT max(version::int) FROM __diesel_schema_migrations; COMMIT",
        "SELECT api_keys.id, key_hash, scopes, expires_at FROM api_keys JOIN users ON users.id = user_id AND users.active",
        "SELECT id, name, price, category, image FROM products WHERE available",
        "SELECT code, max_uses FROM promotions; SELECT code FROM coupon_codes; SELECT version FROM dataset_versions",
        "SELECT id, outcome FROM bootstrap_runs",
        "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
         VALUES (overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, gen_random_uuid(), 5, 0, 5)
         ON CONFLICT (id) DO NOTHING RETURNING id, created_at",
        "INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         VALUES (overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, 1, 1, 'Waffle', 'Waffle', 5, 1) RETURNING order_id",
        "BEGIN; INSERT INTO promotion_uses (code) VALUES ('LIMITED') ON CONFLICT (code) DO NOTHING;
         SELECT uses FROM promotion_uses WHERE code = 'LIMITED' FOR UPDATE;
         UPDATE promotion_uses SET uses = uses + 1 WHERE code = 'LIMITED' RETURNING uses; COMMIT",
        "INSERT INTO promotion_uses (code, uses) VALUES ('LIMITED', 1)
         ON CONFLICT (code) DO UPDATE SET uses = promotion_uses.uses + 1",
        "INSERT INTO idempotency_keys (api_key_id, key, request_hash, order_id, response, expires_at)
         VALUES (gen_random_uuid(), 'k', sha256(''), gen_random_uuid(), '', now())
         ON CONFLICT (api_key_id, key) DO UPDATE SET response = excluded.response, expires_at = excluded.expires_at
         WHERE idempotency_keys.expires_at <= now() RETURNING order_id",
        "INSERT INTO order_states AS state (order_id, status, version) VALUES (gen_random_uuid(), 'accepted', 2)
         ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, version = excluded.version, ready_at = excluded.ready_at,
             reason = excluded.reason, changed_at = excluded.changed_at, changed_xid = excluded.changed_xid
         WHERE state.version = excluded.version - 1 RETURNING order_id",
        "INSERT INTO order_events (order_id, version, from_status, to_status, actor)
         VALUES (gen_random_uuid(), 2, 'placed', 'accepted', 'staff'); SELECT began_at FROM order_life_cycle",
        "SELECT response FROM idempotency_keys; DELETE FROM idempotency_keys WHERE expires_at <= now()",
        // What operators press in the console.
        "UPDATE job SET run_at = now(), cancel_requested_at = now() WHERE state = 0",
        "SELECT id FROM job_dead ORDER BY id LIMIT 1 FOR UPDATE; UPDATE job_dead SET replayed_as = 1, replayed_at = now();
         DELETE FROM job_dead",
        "INSERT INTO job_control (scope, paused_by, reason) VALUES ('*', 'key', 'why')
         ON CONFLICT (scope) DO UPDATE SET paused_by = EXCLUDED.paused_by, reason = EXCLUDED.reason; DELETE FROM job_control",
    ] {
        allowed(&app, sql).await;
    }
    for sql in DDL.iter().chain(&LEDGER).chain(&[
        "UPDATE orders SET total = 0, subtotal = 0",
        "DELETE FROM orders",
        "UPDATE order_items SET quantity = 2",
        "DELETE FROM order_items",
        "DELETE FROM order_states",
        "UPDATE order_states SET order_id = gen_random_uuid()",
        "UPDATE order_events SET note = 'other'",
        "DELETE FROM order_events",
        "UPDATE order_life_cycle SET began_at = now()",
        "UPDATE products SET price = 0",
        "INSERT INTO promotions (code, kind, value) VALUES ('FREE', 'fixed', 1)",
        "UPDATE promotion_uses SET code = 'OTHER'",
        "DELETE FROM promotion_uses",
        "UPDATE api_keys SET revoked_at = NULL",
        "INSERT INTO coupon_codes VALUES (1, 'FREEFREE')",
        "SELECT email FROM users",
        "SELECT row FROM dataset_rows",
        "DELETE FROM bootstrap_runs",
        "UPDATE dataset_versions SET state = 'retired'",
        "UPDATE job SET payload = '{}'",
        "UPDATE job_dead SET payload = '{}'",
        "UPDATE operator_actions SET outcome = 'other'",
        "DELETE FROM operator_actions",
    ]) {
        refused(&app, sql).await;
    }
    // Not an error, but nothing comes of it.
    allowed(&app, "GRANT SELECT ON orders TO PUBLIC").await;
    roles.assert_as_they_should_be().await;
}

#[tokio::test]
async fn the_loader_brings_data_and_changes_neither_schema_nor_ledger_nor_what_was_ordered() {
    let roles = with_rows().await;
    let loader = roles.client("loader").await;

    for sql in [
        "INSERT INTO bootstrap_runs (id, task, build, host) VALUES ('00000000-0000-7000-8000-000000000000', 'database-load', 'b', 'h')",
        "UPDATE bootstrap_runs SET heartbeat_at = now() WHERE outcome = 'running'",
        "INSERT INTO dataset_versions (profile, datasets, fingerprint, content_sha256, hash_key_id, format, run_id)
         VALUES ('p', ARRAY['products'], sha256(''), sha256(''), 'id', 1, '00000000-0000-7000-8000-000000000000') RETURNING version",
        "SELECT version FROM dataset_versions FOR UPDATE; UPDATE dataset_versions SET fingerprint = sha256('x')",
        "INSERT INTO dataset_rows SELECT version, 'products', '1', '{}', 1 FROM dataset_versions; SELECT row FROM dataset_rows",
        "INSERT INTO coupon_codes SELECT version, 'FREEFREE' FROM dataset_versions; DELETE FROM coupon_codes",
        "DELETE FROM dataset_rows; DELETE FROM dataset_versions",
        "UPDATE products SET price = 8.99 WHERE id = 1; INSERT INTO products (id, name, price, category) VALUES (2, 'b', 1, 'c')",
        "UPDATE users SET name = 'B'; INSERT INTO users (id, email, name, role) VALUES (gen_random_uuid(), 'd@e.f', 'D', 'staff')",
        "UPDATE api_keys SET key_hash = sha256('other'), hash_key_id = 'x', active = true",
        "INSERT INTO api_keys (id, key_hash, hash_key_id, user_id, scopes)
         SELECT gen_random_uuid(), sha256('third'), 'id', id, ARRAY['read_orders'] FROM users LIMIT 1",
        "UPDATE promotions SET active = true; INSERT INTO promotions (code, kind, value) VALUES ('NEW', 'fixed', 1)",
        "INSERT INTO promotion_uses (code) VALUES ('LIMITED') ON CONFLICT (code) DO NOTHING",
        "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
         VALUES (overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, gen_random_uuid(), 5, 0, 5)",
        "INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         VALUES (overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, 1, 1, 'Waffle', 'Waffle', 5, 1)",
        "SELECT max(version::int) FROM __diesel_schema_migrations; NOTIFY dataset_published",
    ] {
        allowed(&loader, sql).await;
    }
    let copied = loader
        .copy_in("COPY coupon_codes (version, code) FROM STDIN")
        .await;
    let sink: tokio_postgres::CopyInSink<&[u8]> = copied.unwrap();
    drop(sink);
    for sql in DDL.iter().chain(&LEDGER).chain(&[
        "UPDATE orders SET total = 0, subtotal = 0",
        "DELETE FROM orders",
        "UPDATE order_items SET quantity = 2",
        "DELETE FROM order_items",
        "UPDATE promotion_uses SET uses = 0",
        "DELETE FROM promotion_uses",
        "UPDATE api_keys SET revoked_at = NULL",
        "DELETE FROM api_keys",
        "DELETE FROM products",
        "SELECT key FROM idempotency_keys",
        "DELETE FROM idempotency_keys",
        "DELETE FROM bootstrap_runs",
    ]) {
        refused(&loader, sql).await;
    }
}

#[tokio::test]
async fn the_read_only_role_sees_everything_but_key_hashes_and_writes_nothing() {
    let roles = with_rows().await;
    let readonly = roles.client("readonly").await;
    let tables = roles
        .database
        .rows(
            "SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
        )
        .await;

    for table in tables.iter().flatten() {
        allowed(&readonly, &format!("SELECT count(*) FROM {table}")).await;
        refused(&readonly, &format!("DELETE FROM {table}")).await;
        refused(&readonly, &format!("TRUNCATE {table}")).await;
        refused(&readonly, &format!("INSERT INTO {table} DEFAULT VALUES")).await;
    }
    allowed(
        &readonly,
        "SELECT id, scopes, expires_at, revoked_at FROM api_keys",
    )
    .await;
    for sql in DDL.iter().chain(&LEDGER).chain(&[
        "SELECT key_hash FROM api_keys",
        "SELECT * FROM api_keys",
        "SELECT api_keys FROM api_keys",
        "COPY api_keys TO STDOUT",
        "SELECT row FROM dataset_rows",
        "UPDATE products SET price = 0",
        "UPDATE orders SET status = 'placed'",
        "SELECT id FROM orders FOR UPDATE",
    ]) {
        refused(&readonly, sql).await;
    }
}

/// Rows of an endpoint with its secret.
const ENDPOINT: &str = "
    SET ROLE {owner};
    INSERT INTO webhook_endpoints (id, url, events)
    VALUES ('00000000-0000-7000-8000-0000000000e1', 'https://shop.example/hook', ARRAY['order.placed']);
    INSERT INTO webhook_secrets (id, endpoint_id, secret)
    VALUES (gen_random_uuid(), '00000000-0000-7000-8000-0000000000e1', sha256('secret'))";

#[tokio::test]
async fn a_webhook_secret_is_made_and_replaced_by_the_app_and_read_by_the_worker_alone() {
    let roles = with_rows().await;
    roles.execute(ENDPOINT).await;
    let (app, worker) = (roles.client("app").await, roles.client("worker").await);

    for sql in [
        "INSERT INTO webhook_endpoints (id, url, events) VALUES (gen_random_uuid(), 'https://other.example/', ARRAY['order.placed'])
         RETURNING id, url, events",
        "SELECT * FROM webhook_endpoints FOR UPDATE",
        "UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = 'operator'",
        "INSERT INTO webhook_secrets (id, endpoint_id, secret)
         SELECT gen_random_uuid(), id, sha256('new') FROM webhook_endpoints",
        "UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NULL
         AND endpoint_id = '00000000-0000-7000-8000-0000000000e1'",
        "DELETE FROM webhook_secrets WHERE expires_at <= now()",
        "SELECT id, endpoint_id, created_at, expires_at FROM webhook_secrets",
    ] {
        allowed(&app, sql).await;
    }
    for sql in [
        "SELECT secret FROM webhook_secrets",
        "SELECT * FROM webhook_secrets",
        "SELECT webhook_secrets FROM webhook_secrets",
        "COPY webhook_secrets TO STDOUT",
        "SELECT count(*) FROM webhook_secrets WHERE secret = sha256('secret')",
        "UPDATE webhook_secrets SET expires_at = now() RETURNING secret",
        "DELETE FROM webhook_secrets RETURNING secret",
        "UPDATE webhook_secrets SET secret = sha256('mine')",
        "UPDATE webhook_endpoints SET url = 'https://mine.example/'",
        "DELETE FROM webhook_endpoints",
    ] {
        refused(&app, sql).await;
    }
    for sql in [
        "SELECT url, secret FROM webhook_endpoints JOIN webhook_secrets ON endpoint_id = webhook_endpoints.id",
        "UPDATE webhook_endpoints SET failures = 1, failing_since = now(), open_until = now(), trial_until = now(),
         disabled_at = now(), disabled_reason = 'failing', probes = 1, probe_at = now(), delivered_at = now()
         WHERE id IN (SELECT id FROM webhook_endpoints FOR UPDATE SKIP LOCKED)",
    ] {
        allowed(&worker, sql).await;
    }
    for sql in [
        "UPDATE webhook_endpoints SET url = 'https://mine.example/'",
        "INSERT INTO webhook_secrets (id, endpoint_id, secret) SELECT gen_random_uuid(), id, sha256('w') FROM webhook_endpoints",
        "UPDATE webhook_secrets SET secret = sha256('mine')",
        "DELETE FROM webhook_endpoints",
    ] {
        refused(&worker, sql).await;
    }
    for role in ["readonly", "loader"] {
        let client = roles.client(role).await;
        refused(&client, "SELECT secret FROM webhook_secrets").await;
        refused(&client, "SELECT * FROM webhook_secrets").await;
        refused(&client, "COPY webhook_secrets TO STDOUT").await;
    }
}

#[tokio::test]
async fn the_migrator_changes_the_schema_and_no_role_becomes_another() {
    let roles = Roles::on(TestDatabase::empty().await);
    roles.run(&["roles", "apply"]).await.exits(0);
    let migrator = roles.client("migrator").await;

    allowed(
        &migrator,
        "CREATE TABLE t (id bigint); ALTER TABLE t ADD note text; DROP TABLE t",
    )
    .await;
    refused(&migrator, "CREATE ROLE mine").await;
    refused(&migrator, "CREATE DATABASE mine").await;
    for role in ["app", "loader", "worker", "readonly"] {
        let client = roles.client(role).await;
        refused(&client, &format!("SET ROLE \"{}\"", roles.name("owner"))).await;
        refused(&client, &format!("SET ROLE \"{}\"", roles.name("migrator"))).await;
    }
    let owner = roles.superuser_client().await;
    let login = owner
        .query_one(
            "SELECT rolcanlogin FROM pg_roles WHERE rolname = $1",
            &[&roles.name("owner")],
        )
        .await
        .unwrap();
    assert!(!login.get::<_, bool>(0));
}
