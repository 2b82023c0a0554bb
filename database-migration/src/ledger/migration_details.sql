CREATE TABLE migration_details (
    version               varchar(50) NOT NULL,
    name                  text        NOT NULL,
    up_sha256             bytea       NOT NULL,
    down_sha256           bytea       NOT NULL,
    duration_ms           bigint,
    build                 text        NOT NULL,
    min_compatible_schema integer     NOT NULL,
    CONSTRAINT migration_details_pkey PRIMARY KEY (version),
    CONSTRAINT migration_details_version_fkey FOREIGN KEY (version)
        REFERENCES __diesel_schema_migrations (version) ON DELETE CASCADE,
    CONSTRAINT migration_details_up_sha256_length CHECK (octet_length(up_sha256) = 32),
    CONSTRAINT migration_details_down_sha256_length CHECK (octet_length(down_sha256) = 32),
    CONSTRAINT migration_details_duration_not_negative CHECK (duration_ms >= 0),
    CONSTRAINT migration_details_min_compatible_positive CHECK (min_compatible_schema > 0)
);
COMMENT ON TABLE migration_details IS 'How the migrations in __diesel_schema_migrations were applied; written by database-migration alone.';
COMMENT ON COLUMN migration_details.version IS 'The four digits that the migration''s folder begins with.';
COMMENT ON COLUMN migration_details.up_sha256 IS 'SHA-256 of the up.sql that was applied; a file edited since is refused.';
COMMENT ON COLUMN migration_details.down_sha256 IS 'SHA-256 of the down.sql that reverts it.';
COMMENT ON COLUMN migration_details.duration_ms IS 'Duration of the migration without earlier attempts; null when another program applied it.';
COMMENT ON COLUMN migration_details.build IS 'The build that applied or adopted it.';
COMMENT ON COLUMN migration_details.min_compatible_schema IS 'The oldest build that works with this schema: its newest migration must not be below.';
