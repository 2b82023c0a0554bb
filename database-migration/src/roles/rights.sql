-- The rights of each role, privilege by privilege; docs/DATA.md shows them as a table.
--
-- `UPDATE (uses)` is for these columns, `UPDATE (all but id)` for the others: a column that a migration adds is granted
-- when the rights are next brought in line. Columns that a table does not have are passed over.
SELECT object, name, role, parts[1] AS privilege, string_to_array(parts[3], ', ') AS columns, parts[2] IS NOT NULL AS excluded
FROM (
    -- Every table of the schema, which a test holds against the migrations. The owner, and so the migrator, may do everything.
    SELECT 'table', name, role, privileges
    FROM (VALUES
        -- table, app, loader, worker, readonly
        ('products', 'SELECT', 'SELECT, INSERT, UPDATE', 'SELECT', 'SELECT'),
        -- The app needs the user of a key, not the user's name.
        ('users', 'SELECT (id, active)', 'SELECT, INSERT, UPDATE', '', 'SELECT'),
        -- Operators revoke; no load takes that back.
        ('api_keys', 'SELECT', 'SELECT, INSERT, UPDATE (all but id, revoked_at)', '', 'SELECT (all but key_hash)'),
        ('promotions', 'SELECT', 'SELECT, INSERT, UPDATE', 'SELECT', 'SELECT'),
        -- UPDATE is also what SELECT … FOR UPDATE asks for. Jobs reject orders, whose uses are given back.
        ('promotion_uses', 'SELECT, INSERT, UPDATE (uses)', 'SELECT, INSERT', 'SELECT, UPDATE (uses)', 'SELECT'),
        ('coupon_codes', 'SELECT', 'SELECT, INSERT, DELETE', '', 'SELECT'),
        ('orders', 'SELECT, INSERT', 'SELECT, INSERT', 'SELECT', 'SELECT'),
        ('order_items', 'SELECT, INSERT', 'SELECT, INSERT', 'SELECT', 'SELECT'),
        ('order_states', 'SELECT, INSERT, UPDATE (all but order_id)', 'SELECT, INSERT', 'SELECT, INSERT, UPDATE (all but order_id)', 'SELECT'),
        ('order_events', 'SELECT, INSERT', 'SELECT, INSERT', 'SELECT, INSERT', 'SELECT'),
        ('order_life_cycle', 'SELECT', 'SELECT', 'SELECT, UPDATE (answered_until)', 'SELECT'),
        -- A key that has expired is taken again in place. SELECT … FOR UPDATE asks for UPDATE of a column.
        ('idempotency_keys', 'SELECT, INSERT, UPDATE (all but api_key_id, key), DELETE', '', 'SELECT (api_key_id, key, expires_at), UPDATE (expires_at), DELETE', 'SELECT'),
        -- Cancelling: a queued job moves to job_dead, a running one is marked. The console makes one due.
        ('job', 'SELECT, INSERT, UPDATE (cancel_requested_at, run_at), DELETE', '', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT'),
        ('job_worker', 'SELECT', '', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT'),
        -- Operators replay and purge in the console.
        ('job_dead', 'SELECT, INSERT, UPDATE (replayed_as, replayed_at), DELETE', '', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT'),
        -- A job that was replayed is done a second time.
        ('job_result', 'SELECT', '', 'SELECT, INSERT, UPDATE (all but public_id), DELETE', 'SELECT'),
        -- Operators pause and resume in the console.
        ('job_control', 'SELECT, INSERT, UPDATE, DELETE', '', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT'),
        ('job_schedule', 'SELECT', '', 'SELECT, INSERT, UPDATE', 'SELECT'),
        -- Never changed; the worker removes what is beyond its retention.
        ('operator_actions', 'SELECT, INSERT', '', 'SELECT, INSERT, DELETE', 'SELECT'),
        ('sales_daily', 'SELECT', '', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT'),
        ('sales_days_due', 'SELECT', '', 'SELECT, INSERT, DELETE', 'SELECT'),
        ('sales_watermark', 'SELECT', '', 'SELECT, INSERT, UPDATE', 'SELECT'),
        ('webhook_endpoints', 'SELECT, INSERT, UPDATE (all but id, url, created_at)', '', 'SELECT, UPDATE (all but id, url, events, created_at)', 'SELECT'),
        -- A secret is made by a command and signs in a worker; in between it is not read.
        ('webhook_secrets', 'SELECT (all but secret), INSERT, UPDATE (expires_at), DELETE', '', 'SELECT', 'SELECT (all but secret)'),
        ('bootstrap_runs', 'SELECT', 'SELECT, INSERT, UPDATE', 'SELECT', 'SELECT'),
        ('dataset_versions', 'SELECT', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT', 'SELECT'),
        -- The rows of api_keys hold the hashes.
        ('dataset_rows', '', 'SELECT, INSERT, DELETE', '', 'SELECT (all but row)'),
        ('__diesel_schema_migrations', 'SELECT', 'SELECT', 'SELECT', 'SELECT'),
        ('migration_details', 'SELECT', 'SELECT', 'SELECT', 'SELECT'),
        ('schema_migrations', 'SELECT', 'SELECT', 'SELECT', 'SELECT')
    ) AS of_table (name, app, loader, worker, readonly),
    LATERAL (VALUES ('app', app), ('loader', loader), ('worker', worker), ('readonly', readonly)) AS of_role (role, privileges)
    UNION ALL
    SELECT object, NULL, role, privileges
    FROM (VALUES
        -- Tables that are not listed: made by hand, or by a build that knows more.
        ('future', 'app', 'SELECT'),
        ('future', 'loader', 'SELECT'),
        ('future', 'worker', 'SELECT'),
        ('future', 'readonly', 'SELECT'),
        -- `down`, `plan` and `validate` try migrations on tables that go with the session.
        ('database', 'owner', 'TEMPORARY'),
        ('database', 'migrator', 'CONNECT'),
        ('database', 'app', 'CONNECT'),
        ('database', 'loader', 'CONNECT'),
        ('database', 'worker', 'CONNECT'),
        ('database', 'readonly', 'CONNECT'),
        ('schema', 'owner', 'USAGE, CREATE'),
        ('schema', 'app', 'USAGE'),
        ('schema', 'loader', 'USAGE'),
        ('schema', 'worker', 'USAGE'),
        ('schema', 'readonly', 'USAGE')
    ) AS of_object (object, role, privileges)
) AS granted (object, name, role, privileges),
regexp_matches(privileges, '(\w+)(?: \((all but )?([^)]+)\))?', 'g') AS parts
