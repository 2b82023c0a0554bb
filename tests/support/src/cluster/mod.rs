//! Throw-away PostgreSQL servers: one shared by all tests of a process, and some of a test's own.

pub(crate) mod ending;
mod own;
mod pooler;
pub(crate) mod programs;
mod server;
mod shared;
mod tls;

pub use own::{OwnCluster, Stop};
pub use pooler::{Pooler, Pooling};
pub use programs::tool;
pub(crate) use server::random_hex;
pub use shared::Cluster;
pub(crate) use shared::Content;
pub use tls::Tls;
