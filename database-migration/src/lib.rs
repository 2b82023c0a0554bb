//! Brings the database schema to the version this build needs, and takes it back.
//!
//! The migrations are SQL files compiled into the program ([`embedded()`]); what was applied stands
//! in a ledger table of the database. [`up()`] is what tests call; [`Migrator`] has everything else.

mod advice;
mod audit;
mod concurrently;
mod embedded;
mod error;
mod event;
mod execute;
mod heartbeat;
mod ledger;
mod limit;
mod lock;
mod migration;
mod migrator;
mod plan;
mod rehearsal;
mod repair;
pub mod roles;
mod rows;
mod run;
mod session;
mod shape;
mod standing;
mod status;
mod validate;
mod wait;

pub use embedded::embedded;
pub use error::{Error, Remains};
pub use event::Event;
pub use execute::Direction;
pub use ledger::Applied;
pub use limit::Stop;
pub use migration::{BadMigration, Migration, Step, Transaction};
pub use migrator::{Back, Done, Migrator, Observer, up};
pub use plan::{Plan, Planned};
pub use repair::Repaired;
pub use rows::Loss;
pub use standing::Standing;
pub use status::{Row, State, Status};
pub use validate::Validation;
