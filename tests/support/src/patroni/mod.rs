//! High availability to break: three nodes of Patroni with an etcd each, behind one HAProxy.

mod program;
mod settings;
mod trio;

pub use program::Patroni;
pub use trio::Trio;
