//! The catalogue and its two resources.

mod catalogue;
pub(crate) mod handlers;

pub(crate) use catalogue::{Catalogue, Product};
pub(crate) use handlers::{collection, member};
