//! Numbers of the advisory locks, in one place so that no two meanings share one.

/// Held by the one migrator that may change the schema: `pg_try_advisory_lock(MIGRATION)`.
pub const MIGRATION: i64 = 0x6f72_6465_7246_6f6f;

/// First key of the two-key lock held by the one loader of a dataset: `pg_try_advisory_lock(LOAD,
/// hashtext(dataset))`.
pub const LOAD: i32 = 0x6c6f_6164;

/// Held by the session of the one worker that rescues jobs and counts depths:
/// `pg_try_advisory_lock(JOBS_LEADER)`.
pub const JOBS_LEADER: i64 = 0x6a6f_6273_4c65_6164;

/// Held by the session of the one worker that enqueues periodic jobs, which is none that its
/// settings pause: `pg_try_advisory_lock(JOBS_SCHEDULES)`.
pub const JOBS_SCHEDULES: i64 = 0x6a6f_6273_5363_6865;

/// First key of the two-key lock held while the sales of a day are counted:
/// `pg_advisory_xact_lock(SALES_DAY, day - '2000-01-01')`.
pub const SALES_DAY: i32 = 0x7361_6c65;
