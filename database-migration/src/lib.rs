//! Brings the database schema to the version this build needs, and takes it back.
//!
//! The migrations are SQL files compiled into the program ([`embedded()`]); what was applied stands
//! in a ledger table of the database. [`up()`] is what tests call; [`Migrator`] has everything else.

mod audit;
mod embedded;
mod error;
mod execute;
mod ledger;
mod lock;
mod migration;
mod migrator;
mod session;
mod standing;
mod status;

pub use embedded::embedded;
pub use error::{Error, Remains};
pub use ledger::Applied;
pub use migration::{BadMigration, Migration, Step, Transaction};
pub use migrator::{Back, Done, Migrator, up};
pub use standing::Standing;
pub use status::{Row, State, Status};
