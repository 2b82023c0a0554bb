//! The commands, each a method of `Migrator`; `up` and `down` share the run under the lock.

mod change;
pub(crate) mod down;
pub(crate) mod partitions;
pub(crate) mod plan;
pub(crate) mod repair;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod validate;
mod wait;
