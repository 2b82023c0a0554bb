-- Background jobs: the queue itself, its workers, dead letters, results, controls, schedules, and what operators did.

SET LOCAL lock_timeout = '2s';

-- A row per process that runs jobs. Its heartbeat is updated in place, hence the free half of each page.
CREATE TABLE job_worker (
    id           uuid        NOT NULL,
    pool         text        NOT NULL,
    pod          text        NOT NULL,
    version      text        NOT NULL,
    filter       text        NOT NULL,
    slots        integer     NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT job_worker_pkey PRIMARY KEY (id)
) WITH (fillfactor = 50);
COMMENT ON TABLE job_worker IS 'Processes that run jobs; a row goes with its process, or is removed when it gave no heartbeat.';
COMMENT ON COLUMN job_worker.id IS 'Made at start: two processes with one pod name are two workers.';
COMMENT ON COLUMN job_worker.pool IS 'general, critical or another name of the deployment.';
COMMENT ON COLUMN job_worker.pod IS 'Name of the host, in Kubernetes the pod''s.';
COMMENT ON COLUMN job_worker.version IS 'Version of the program.';
COMMENT ON COLUMN job_worker.filter IS 'Priorities that are claimed, separated by commas.';
COMMENT ON COLUMN job_worker.slots IS 'Jobs that run at the same time, at most.';
COMMENT ON COLUMN job_worker.started_at IS 'When the process started, in database time.';
COMMENT ON COLUMN job_worker.heartbeat_at IS 'Last sign of life, in database time; every 5 s.';

-- A job that is done leaves: the table holds only what waits or runs, and each row is written three times in its life.
CREATE TABLE job (
    id                  bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind                text        NOT NULL,
    priority            smallint    NOT NULL,
    state               smallint    NOT NULL DEFAULT 0,
    run_at              timestamptz NOT NULL DEFAULT now(),
    created_at          timestamptz NOT NULL DEFAULT now(),
    locked_at           timestamptz,
    locked_by           uuid,
    attempt             smallint    NOT NULL DEFAULT 0,
    max_attempts        smallint,
    rescues             smallint    NOT NULL DEFAULT 0,
    timeout_ms          integer     NOT NULL,
    unique_key          text,
    payload             jsonb       NOT NULL,
    trace_ctx           text,
    last_error          text,
    attempts            jsonb,
    progress            jsonb,
    cancel_requested_at timestamptz,
    api_key_id          uuid,
    public_id           uuid,
    min_build           integer     NOT NULL DEFAULT 0,
    CONSTRAINT job_pkey PRIMARY KEY (id),
    CONSTRAINT job_known_priority CHECK (priority BETWEEN 0 AND 4),
    CONSTRAINT job_running_is_locked CHECK ((state = 1) = (locked_by IS NOT NULL))
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
);
COMMENT ON TABLE job IS 'Jobs that wait or run. Done ones are deleted; failed ones wait again or move to job_dead.';
COMMENT ON COLUMN job.id IS 'In the order of insertion, not of commit.';
COMMENT ON COLUMN job.kind IS 'Name of the handler, e.g. order.webhook.';
COMMENT ON COLUMN job.priority IS '0 CRITICAL, 1 HIGH, 2 DEFAULT, 3 LOW, 4 BULK.';
COMMENT ON COLUMN job.state IS '0 queued, 1 running.';
COMMENT ON COLUMN job.run_at IS 'Not claimed before, in database time.';
COMMENT ON COLUMN job.created_at IS 'When it was enqueued, in database time.';
COMMENT ON COLUMN job.locked_at IS 'When the last attempt was claimed; null before the first.';
COMMENT ON COLUMN job.locked_by IS 'The worker of the running attempt: job_worker.id.';
COMMENT ON COLUMN job.attempt IS 'Attempts that were claimed.';
COMMENT ON COLUMN job.max_attempts IS 'Attempts in all; null: what the worker''s settings say for the priority.';
COMMENT ON COLUMN job.rescues IS 'Attempts whose worker was lost.';
COMMENT ON COLUMN job.timeout_ms IS 'Milliseconds that one attempt may take.';
COMMENT ON COLUMN job.unique_key IS 'No two jobs of a kind that wait or run have the same.';
COMMENT ON COLUMN job.payload IS 'What the handler is given.';
COMMENT ON COLUMN job.trace_ctx IS 'W3C traceparent of the request that enqueued it.';
COMMENT ON COLUMN job.last_error IS 'Error of the last failed attempt, with its causes.';
COMMENT ON COLUMN job.attempts IS 'Failed attempts, oldest first: at, worker, attempt, error.';
COMMENT ON COLUMN job.progress IS 'What the running attempt says of its progress.';
COMMENT ON COLUMN job.cancel_requested_at IS 'When the running attempt was asked to end.';
COMMENT ON COLUMN job.api_key_id IS 'The API key whose request enqueued it, if any: api_keys.id.';
COMMENT ON COLUMN job.public_id IS 'The id that clients see; null for jobs without one.';
COMMENT ON COLUMN job.min_build IS 'Workers of an older build leave it alone.';

-- Equal priority and kind, then in claiming order: a kind that is paused or unknown is never read.
CREATE INDEX job_claim_idx ON job (priority, kind, run_at, id) WHERE state = 0;
CREATE INDEX job_running_idx ON job (locked_by, locked_at) WHERE state = 1;
CREATE UNIQUE INDEX job_unique_key_idx ON job (kind, unique_key) WHERE unique_key IS NOT NULL;
CREATE UNIQUE INDEX job_public_id_idx ON job (public_id) WHERE public_id IS NOT NULL;

CREATE TABLE job_dead (
    id           bigint      NOT NULL,
    kind         text        NOT NULL,
    priority     smallint    NOT NULL,
    created_at   timestamptz NOT NULL,
    died_at      timestamptz NOT NULL DEFAULT now(),
    reason       text        NOT NULL,
    attempt      smallint    NOT NULL,
    max_attempts smallint,
    rescues      smallint    NOT NULL,
    timeout_ms   integer     NOT NULL,
    unique_key   text,
    payload      jsonb       NOT NULL,
    trace_ctx    text,
    last_error   text,
    attempts     jsonb,
    progress     jsonb,
    api_key_id   uuid,
    public_id    uuid,
    min_build    integer     NOT NULL,
    replayed_as  bigint,
    replayed_at  timestamptz,
    CONSTRAINT job_dead_pkey PRIMARY KEY (id),
    CONSTRAINT job_dead_known_reason CHECK (reason IN ('exhausted', 'permanent', 'poison', 'cancelled'))
);
COMMENT ON TABLE job_dead IS 'Dead letters: jobs that will not run again by themselves. Removed by operators, and after replay by retention.';
COMMENT ON COLUMN job_dead.id IS 'The id that the job had.';
COMMENT ON COLUMN job_dead.kind IS 'As job.kind.';
COMMENT ON COLUMN job_dead.priority IS 'As job.priority.';
COMMENT ON COLUMN job_dead.created_at IS 'When the job was enqueued.';
COMMENT ON COLUMN job_dead.died_at IS 'When it moved here, in database time.';
COMMENT ON COLUMN job_dead.reason IS
    'exhausted: no attempts left; permanent: the handler says no attempt can succeed; poison: three workers were lost with it; cancelled.';
COMMENT ON COLUMN job_dead.attempt IS 'Attempts that were claimed.';
COMMENT ON COLUMN job_dead.max_attempts IS 'As job.max_attempts.';
COMMENT ON COLUMN job_dead.rescues IS 'As job.rescues.';
COMMENT ON COLUMN job_dead.timeout_ms IS 'As job.timeout_ms.';
COMMENT ON COLUMN job_dead.unique_key IS 'As job.unique_key.';
COMMENT ON COLUMN job_dead.payload IS 'As job.payload.';
COMMENT ON COLUMN job_dead.trace_ctx IS 'As job.trace_ctx.';
COMMENT ON COLUMN job_dead.last_error IS 'Error of the last attempt.';
COMMENT ON COLUMN job_dead.attempts IS 'As job.attempts.';
COMMENT ON COLUMN job_dead.progress IS 'As job.progress, of the last attempt.';
COMMENT ON COLUMN job_dead.api_key_id IS 'As job.api_key_id.';
COMMENT ON COLUMN job_dead.public_id IS 'As job.public_id.';
COMMENT ON COLUMN job_dead.min_build IS 'As job.min_build.';
COMMENT ON COLUMN job_dead.replayed_as IS 'The job that replaced it; null: not replayed.';
COMMENT ON COLUMN job_dead.replayed_at IS 'When it was replayed.';

CREATE INDEX job_dead_kind_died_at_idx ON job_dead (kind, died_at) WHERE replayed_as IS NULL;
CREATE INDEX job_dead_replayed_at_idx ON job_dead (replayed_at) WHERE replayed_as IS NOT NULL;
CREATE INDEX job_dead_public_id_idx ON job_dead (public_id) WHERE public_id IS NOT NULL;

CREATE TABLE job_result (
    public_id   uuid        NOT NULL,
    job_id      bigint      NOT NULL,
    kind        text        NOT NULL,
    api_key_id  uuid,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    attempt     smallint    NOT NULL,
    outcome     text        NOT NULL,
    progress    jsonb,
    result      jsonb       NOT NULL,
    CONSTRAINT job_result_pkey PRIMARY KEY (public_id)
);
COMMENT ON TABLE job_result IS 'Results of done jobs that have a public id, kept for JOBS_RETENTION.';
COMMENT ON COLUMN job_result.public_id IS 'As job.public_id.';
COMMENT ON COLUMN job_result.job_id IS 'The id that the job had.';
COMMENT ON COLUMN job_result.kind IS 'As job.kind.';
COMMENT ON COLUMN job_result.api_key_id IS 'As job.api_key_id.';
COMMENT ON COLUMN job_result.created_at IS 'When the job was enqueued.';
COMMENT ON COLUMN job_result.finished_at IS 'When it was completed, in database time.';
COMMENT ON COLUMN job_result.attempt IS 'Attempts that it took.';
COMMENT ON COLUMN job_result.outcome IS 'done.';
COMMENT ON COLUMN job_result.progress IS 'Last progress.';
COMMENT ON COLUMN job_result.result IS 'What the handler returned.';

CREATE INDEX job_result_finished_at_idx ON job_result (finished_at);

CREATE TABLE job_control (
    scope     text        NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now(),
    paused_by text        NOT NULL,
    reason    text        NOT NULL,
    CONSTRAINT job_control_pkey PRIMARY KEY (scope)
);
COMMENT ON TABLE job_control IS 'What is paused: a row stops claims of its scope until it is removed.';
COMMENT ON COLUMN job_control.scope IS '*, priority:LOW or kind:order.webhook.';
COMMENT ON COLUMN job_control.paused_at IS 'Since when.';
COMMENT ON COLUMN job_control.paused_by IS 'Host of the command or name of the key.';
COMMENT ON COLUMN job_control.reason IS 'Why, in the operator''s words.';

CREATE TABLE job_schedule (
    name      text        NOT NULL,
    last_slot timestamptz NOT NULL,
    CONSTRAINT job_schedule_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE job_schedule IS 'Periodic jobs: the last slot for which one was enqueued.';
COMMENT ON COLUMN job_schedule.name IS 'Name of the schedule.';
COMMENT ON COLUMN job_schedule.last_slot IS 'Start of the slot; no other job is enqueued for it.';

CREATE TABLE operator_actions (
    id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at         timestamptz NOT NULL DEFAULT now(),
    key_id     uuid,
    via        text        NOT NULL,
    action     text        NOT NULL,
    target     text        NOT NULL,
    before     jsonb,
    after      jsonb,
    outcome    text        NOT NULL,
    request_id text,
    CONSTRAINT operator_actions_pkey PRIMARY KEY (id),
    CONSTRAINT operator_actions_known_via CHECK (via IN ('cli', 'api', 'console'))
);
COMMENT ON TABLE operator_actions IS 'What operators did, written in the transaction that did it. Rows are only inserted.';
COMMENT ON COLUMN operator_actions.id IS 'In the order of insertion.';
COMMENT ON COLUMN operator_actions.at IS 'When, in database time.';
COMMENT ON COLUMN operator_actions.key_id IS 'The API key of the request: api_keys.id; null for the command line.';
COMMENT ON COLUMN operator_actions.via IS 'cli, api or console.';
COMMENT ON COLUMN operator_actions.action IS 'e.g. jobs.replay, jobs.pause, webhooks.add.';
COMMENT ON COLUMN operator_actions.target IS 'What it was done to, e.g. job 17 or kind:order.webhook.';
COMMENT ON COLUMN operator_actions.before IS 'State before, where there was one.';
COMMENT ON COLUMN operator_actions.after IS 'State after, where there is one.';
COMMENT ON COLUMN operator_actions.outcome IS 'done, or why nothing changed.';
COMMENT ON COLUMN operator_actions.request_id IS 'Id of the request; for the command line the host.';

CREATE INDEX operator_actions_at_idx ON operator_actions (at);
