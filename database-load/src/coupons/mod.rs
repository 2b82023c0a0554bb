//! Bulk coupon files without a database: scan them, or make some.

mod command;
mod generate;
mod memory;
mod meter;
mod new_file;
mod output;
mod scan;
mod settings;
mod stats;

pub use command::{Coupons, GenerateArguments, ScanArguments, execute};
pub use generate::{Generate, SCALES, Shape, generate};
pub use memory::Memory;
pub(crate) use scan::failure;
pub(crate) use settings::ENVIRONMENT;
pub use settings::Settings;
