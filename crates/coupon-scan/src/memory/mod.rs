//! How much memory a scan uses, and for what.

mod arena;
mod control_group;
mod plan;

pub(crate) use arena::Arena;
pub(crate) use control_group::allowed;
pub(crate) use plan::Plan;
