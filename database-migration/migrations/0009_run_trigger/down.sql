-- Forgets what started the runs.
SET LOCAL lock_timeout = '2s';

ALTER TABLE bootstrap_runs DROP COLUMN trigger;
