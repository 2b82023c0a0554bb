//! Bulk coupon files without a database: scan them, or make some.

mod atomic_file;
mod command;
mod memory;
mod meter;
mod output;
mod scan;
mod settings;
mod stats;

pub use command::{Coupons, GenerateArguments, ScanArguments, execute};
pub use memory::Memory;
pub(crate) use scan::failure;
pub(crate) use settings::ENVIRONMENT;
pub use settings::Settings;
