-- Takes the look-ups away.
SET LOCAL lock_timeout = '2s';

DROP INDEX bootstrap_runs_task_started_at_idx;
DROP INDEX idempotency_keys_expires_at_idx;
DROP INDEX orders_api_key_id_id_idx;
