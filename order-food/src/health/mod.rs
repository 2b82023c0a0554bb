//! The probes: liveness and readiness. Neither ever takes a database connection.

pub(crate) mod handlers;
mod readiness;

pub(crate) use readiness::Readiness;
