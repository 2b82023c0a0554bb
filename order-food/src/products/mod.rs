//! The resources of the catalogue.

pub(crate) mod handlers;
mod schema;
