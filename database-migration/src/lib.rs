//! Brings the database schema to the version this build needs, and reverts it.
//!
//! The migrations are in diesel's format and compiled into the program ([`embedded()`]); diesel's
//! ledger in the database says which were applied. [`up()`] is for tests; [`Migrator`] has
//! everything else.

mod attempts;
mod commands;
mod concurrent_index;
mod data_loss;
mod error;
mod harness;
mod ledger;
mod migrator;
pub mod partitions;
pub mod roles;
mod run_context;
mod schema_snapshot;
mod session;
mod source;
mod state;

pub use commands::partitions::Partitions;
pub use commands::plan::{Plan, Planned};
pub use commands::repair::Repaired;
pub use commands::status::{Row, State, Status};
pub use commands::up::up;
pub use commands::validate::Validation;
pub use data_loss::DataLoss;
pub use error::{Error, PartialEffect};
pub use migrator::{Back, Done, Migrator};
pub use one_shot::StopReason;
pub use source::{BadMigration, Checksums, Direction, Embedded, Metadata, Migration, Step, embedded};
pub use state::SchemaState;
