//! The database as all services see it: connections, pool, TLS, tables, channels and locks.
//!
//! PostgreSQL 14 to 18, over Rust all the way down: no libpq, no OpenSSL.

pub mod amount;
mod azure;
mod canceled_waits;
mod certificate;
pub mod channels;
mod connect;
mod connect_error;
mod listen;
pub mod locks;
mod open;
pub mod pool;
mod pooling;
mod role;
pub mod rows;
#[expect(
    missing_docs,
    reason = "the comments are in the database: see the migrations and docs/DATA.md"
)]
pub mod schema;
mod settings;
mod target;
mod tls;
mod url;
mod value;
pub mod version;

pub use canceled_waits::CanceledWaits;
pub use connect::Database;
pub use connect_error::ConnectError;
pub use listen::Listener;
pub use pooling::Pooling;
pub use settings::{ENVIRONMENT, Invalid, Settings};
pub use tls::SslMode;
