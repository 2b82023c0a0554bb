-- The look-ups that grow with use: a key's own orders newest first, expired answers, the latest runs.

SET LOCAL lock_timeout = '2s';

CREATE INDEX orders_api_key_id_id_idx ON orders (api_key_id, id);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);
CREATE INDEX bootstrap_runs_task_started_at_idx ON bootstrap_runs (task, started_at);
