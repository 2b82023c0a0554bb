-- What started a run, so that failures of the CronJob are told apart from those of init containers.

SET LOCAL lock_timeout = '2s';

ALTER TABLE bootstrap_runs ADD COLUMN trigger text NOT NULL DEFAULT 'manual'
    CONSTRAINT bootstrap_runs_trigger_known CHECK (trigger IN ('init', 'cronjob', 'job', 'manual'));
COMMENT ON COLUMN bootstrap_runs.trigger IS
    'What started the run: init (container of a pod), cronjob, job (Kubernetes Job), manual (all else, and runs of earlier builds).';
