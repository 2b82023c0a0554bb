//! Brings the shop's data to the version in its sources: whole, or not at all.
//!
//! [`profile`] says what is brought, [`sources`] opens the files and knows their fingerprint,
//! [`read()`] validates everything; only then does [`run()`] write, and publishes in one
//! transaction.

pub mod coupons;
mod datasets;
pub mod difference;
mod format;
mod formats;
mod load;
mod output;
pub mod profile;
mod regular_file;
mod report;
mod run_options;
pub mod settings;
pub mod sources;
mod versions;

pub use datasets::{Data, DatasetKind, Reading};
pub use format::Format;
pub use formats::{BadRow, Findings};
pub use load::{Changes, LoadOptions, Outcome, Plan, ProfilePlan, ProfileRun, Summary, plan, read, run};
pub use output::Answer;
pub use run_options::RunOptions;
pub use versions::{
    Pruned, PrunedVersion, READABLE_FORMATS, RollbackOptions, Target, Verification, Verified, freshness,
    history, prune, rollback, status, verify,
};

/// Number of the row format of `dataset_rows` that this build writes. Changing what is written
/// means a new number.
pub const ROW_FORMAT: i16 = 1;
