CREATE TABLE schema_migrations (
    version               integer     NOT NULL,
    name                  text        NOT NULL,
    up_sha256             bytea       NOT NULL,
    down_sha256           bytea       NOT NULL,
    applied_at            timestamptz NOT NULL DEFAULT now(),
    duration_ms           bigint      NOT NULL,
    build                 text        NOT NULL,
    min_compatible_schema integer     NOT NULL,
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);
COMMENT ON TABLE schema_migrations IS 'The ledger of builds before 0.1.0, kept in step for them; release 0.2.0 drops it. See __diesel_schema_migrations.';
