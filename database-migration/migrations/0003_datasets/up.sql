-- Which data are active, where they came from, and what every start-up run did.

SET LOCAL lock_timeout = '2s';

CREATE TABLE bootstrap_runs (
    id           uuid        NOT NULL,
    task         text        NOT NULL,
    command      text        NOT NULL DEFAULT 'run',
    profile      text,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    outcome      text        NOT NULL DEFAULT 'running',
    exit_code    smallint,
    version      bigint,
    rows_added   bigint      NOT NULL DEFAULT 0,
    rows_changed bigint      NOT NULL DEFAULT 0,
    rows_retired bigint      NOT NULL DEFAULT 0,
    message      text,
    build        text        NOT NULL,
    host         text        NOT NULL,
    CONSTRAINT bootstrap_runs_pkey PRIMARY KEY (id),
    CONSTRAINT bootstrap_runs_task_known CHECK (task IN ('database-migration', 'database-load')),
    CONSTRAINT bootstrap_runs_outcome_known CHECK (
        outcome IN ('running', 'changed', 'unchanged', 'held', 'kept', 'failed', 'canceled')
    ),
    CONSTRAINT bootstrap_runs_finished_has_outcome CHECK ((finished_at IS NULL) = (outcome = 'running')),
    CONSTRAINT bootstrap_runs_finished_has_exit_code CHECK ((finished_at IS NULL) = (exit_code IS NULL)),
    CONSTRAINT bootstrap_runs_rows_not_negative CHECK (rows_added >= 0 AND rows_changed >= 0 AND rows_retired >= 0)
);
COMMENT ON TABLE bootstrap_runs IS 'One row per run of database-migration (that had something to do) or per profile of a run of database-load.';
COMMENT ON COLUMN bootstrap_runs.id IS 'UUID version 7, printed in the last line of the run''s log.';
COMMENT ON COLUMN bootstrap_runs.task IS 'Which program ran.';
COMMENT ON COLUMN bootstrap_runs.command IS 'Its subcommand: up and down of database-migration; run of database-load.';
COMMENT ON COLUMN bootstrap_runs.profile IS 'The profile that database-load ran; null for database-migration.';
COMMENT ON COLUMN bootstrap_runs.started_at IS 'When the run began, in database time.';
COMMENT ON COLUMN bootstrap_runs.heartbeat_at IS 'Renewed while the run goes on; a running row whose heartbeat is old was lost.';
COMMENT ON COLUMN bootstrap_runs.finished_at IS 'When the run ended; null while it goes on, and for ever if it was lost.';
COMMENT ON COLUMN bootstrap_runs.outcome IS
    'changed: new schema or data are in force; unchanged: nothing to do; held: an older state of the data was not brought back; '
    'kept: a source could not be reached and the active data stay; failed and canceled: nothing changed, but for migrations that were '
    'applied before: see version.';
COMMENT ON COLUMN bootstrap_runs.exit_code IS 'The process''s exit status as far as this run decides it.';
COMMENT ON COLUMN bootstrap_runs.version IS 'The schema version or dataset version in force after the run.';
COMMENT ON COLUMN bootstrap_runs.rows_added IS 'Rows that were not there before.';
COMMENT ON COLUMN bootstrap_runs.rows_changed IS 'Rows that differ from what was there before.';
COMMENT ON COLUMN bootstrap_runs.rows_retired IS 'Rows that have left the data files and are no longer offered.';
COMMENT ON COLUMN bootstrap_runs.message IS 'The error of a failed run, or what is worth knowing of another.';
COMMENT ON COLUMN bootstrap_runs.build IS 'Version of the program.';
COMMENT ON COLUMN bootstrap_runs.host IS 'Machine, or pod, on which it ran.';

CREATE TABLE dataset_versions (
    version        bigint      GENERATED ALWAYS AS IDENTITY,
    profile        text        NOT NULL,
    datasets       text[]      NOT NULL,
    source_version bigint,
    fingerprint    bytea       NOT NULL,
    content_sha256 bytea       NOT NULL,
    hash_key_id    text        NOT NULL,
    format         smallint    NOT NULL,
    state          text        NOT NULL DEFAULT 'staged',
    run_id         uuid        NOT NULL,
    row_counts     jsonb       NOT NULL DEFAULT '{}',
    staged_at      timestamptz NOT NULL DEFAULT now(),
    activated_at   timestamptz,
    retired_at     timestamptz,
    pruned_at      timestamptz,
    CONSTRAINT dataset_versions_pkey PRIMARY KEY (version),
    CONSTRAINT dataset_versions_profile_length CHECK (char_length(profile) BETWEEN 1 AND 63),
    CONSTRAINT dataset_versions_datasets_known CHECK (
        cardinality(datasets) > 0
        AND datasets <@ ARRAY['products', 'users', 'promotions', 'orders', 'coupon_codes']
    ),
    CONSTRAINT dataset_versions_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT dataset_versions_content_sha256_length CHECK (octet_length(content_sha256) = 32),
    CONSTRAINT dataset_versions_only_retired_pruned CHECK (pruned_at IS NULL OR state = 'retired'),
    CONSTRAINT dataset_versions_state_known CHECK (state IN ('staged', 'active', 'retired')),
    CONSTRAINT dataset_versions_state_has_times CHECK (
        (activated_at IS NOT NULL) = (state <> 'staged') AND (retired_at IS NOT NULL) = (state = 'retired')
    ),
    CONSTRAINT dataset_versions_run_id_fkey FOREIGN KEY (run_id) REFERENCES bootstrap_runs (id)
);
CREATE UNIQUE INDEX dataset_versions_one_active ON dataset_versions (profile) WHERE state = 'active';
CREATE INDEX dataset_versions_fingerprint_idx ON dataset_versions (profile, fingerprint);
CREATE INDEX dataset_versions_content_sha256_idx ON dataset_versions (profile, content_sha256);
COMMENT ON TABLE dataset_versions IS 'Every set of data that was staged or published, one active per profile.';
COMMENT ON COLUMN dataset_versions.version IS 'Counts up over all profiles; a number is never used again.';
COMMENT ON COLUMN dataset_versions.profile IS 'Name of the profile that brought it.';
COMMENT ON COLUMN dataset_versions.datasets IS
    'What the version brings. A dataset that several profiles bring belongs to the active version with the latest activated_at.';
COMMENT ON COLUMN dataset_versions.source_version IS 'The version that the profile states of itself, if it does.';
COMMENT ON COLUMN dataset_versions.fingerprint IS 'SHA-256 over the profile, its inputs, the loader''s row format and the hash key''s id.';
COMMENT ON COLUMN dataset_versions.hash_key_id IS 'The hash key under which its API keys were hashed.';
COMMENT ON COLUMN dataset_versions.format IS 'Row format of dataset_rows; a build reads the formats that it knows.';
COMMENT ON COLUMN dataset_versions.state IS 'staged: not visible yet; active: in force; retired: replaced, kept to be brought back.';
COMMENT ON COLUMN dataset_versions.run_id IS 'The run that staged it.';
COMMENT ON COLUMN dataset_versions.row_counts IS 'Rows by dataset: {"products": 10}.';
COMMENT ON COLUMN dataset_versions.staged_at IS 'When it was staged, in database time.';
COMMENT ON COLUMN dataset_versions.activated_at IS 'When the version was last made active.';
COMMENT ON COLUMN dataset_versions.content_sha256 IS
    'SHA-256 over what was read, wherever it lay: the same data from another node''s files are known by it.';
COMMENT ON COLUMN dataset_versions.pruned_at IS
    'When its rows were deleted; the version itself stays, so that its data are not taken for new ones.';
COMMENT ON COLUMN dataset_versions.retired_at IS 'When another version of the profile took its place; null unless retired.';

CREATE TABLE dataset_rows (
    version bigint           NOT NULL,
    dataset text             NOT NULL,
    key     text COLLATE "C" NOT NULL,
    row     jsonb            NOT NULL,
    format  smallint         NOT NULL,
    CONSTRAINT dataset_rows_pkey PRIMARY KEY (version, dataset, key),
    CONSTRAINT dataset_rows_dataset_known CHECK (dataset IN ('products', 'users', 'api_keys', 'promotions', 'orders')),
    CONSTRAINT dataset_rows_version_fkey FOREIGN KEY (version) REFERENCES dataset_versions (version) ON DELETE CASCADE
);
COMMENT ON TABLE dataset_rows IS 'The rows of every kept version as they were read, so that a version can be verified or brought back.';
COMMENT ON COLUMN dataset_rows.version IS 'The version that the row belongs to.';
COMMENT ON COLUMN dataset_rows.dataset IS 'products, users, api_keys, promotions or orders.';
COMMENT ON COLUMN dataset_rows.key IS 'The row''s identity within its dataset: a product''s id, a promotion''s code.';
COMMENT ON COLUMN dataset_rows.row IS 'The row as it was read and checked; API keys as hashes only.';
COMMENT ON COLUMN dataset_rows.format IS 'Row format: which fields row has.';
