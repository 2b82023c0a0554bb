-- The ledger of the build before diesel's format, written by that build (commit c2e9cfb) and dumped with
-- pg_dump --table schema_migrations --inserts. The time and the duration of the first row are set by hand.
CREATE TABLE schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    up_sha256 bytea NOT NULL,
    down_sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    duration_ms bigint NOT NULL,
    build text NOT NULL,
    min_compatible_schema integer NOT NULL,
    CONSTRAINT schema_migrations_down_sha256_length CHECK ((octet_length(down_sha256) = 32)),
    CONSTRAINT schema_migrations_duration_not_negative CHECK ((duration_ms >= 0)),
    CONSTRAINT schema_migrations_min_compatible_in_range CHECK (((min_compatible_schema >= 1) AND (min_compatible_schema <= version))),
    CONSTRAINT schema_migrations_up_sha256_length CHECK ((octet_length(up_sha256) = 32)),
    CONSTRAINT schema_migrations_version_positive CHECK ((version > 0))
);
INSERT INTO schema_migrations VALUES (1, 'shop', '\x5b1f09f0de910acc7aaf001f3dcfa74e152f02a43d2d8ddabb10840adb40bee4', '\x545e7bf9c4a093150a3ec29fccc9e6a1d2fdc5201c9a82ecbbc3ee417ea43291', '2026-01-02 03:04:05+00', 12, '0.1.0', 1);
INSERT INTO schema_migrations VALUES (2, 'orders', '\xa5c62cb6f2df0521b96f80354fa7c9e7ad255ac56936ac177e5ff16d63477d45', '\x04dd33755e857ef1876a9abaab9cf427f92877acba0b1e516e668d89735aba98', '2026-11-29 06:39:35.720893+00', 23, '0.1.0', 1);
INSERT INTO schema_migrations VALUES (3, 'datasets', '\x3254a532f6ae79236cd7ed8757e8947b27ba73a368eae62118b6eafaa804a099', '\x9a02c0b6cec379ea4d3fe308766e5a47f6ae2de82dbf2c638818790060961ccc', '2026-11-29 06:39:35.748775+00', 45, '0.1.0', 1);
INSERT INTO schema_migrations VALUES (4, 'look_ups', '\xecbeb495779d2bb023482184a1bc18c87f37f48933367c5233a8b04b1f469753', '\x67e5d58a340c79d1bdfe9c3664aa30004e87e0fbb39961d97f03290c4e2d7214', '2026-11-29 06:39:35.798526+00', 15, '0.1.0', 1);
ALTER TABLE ONLY schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
