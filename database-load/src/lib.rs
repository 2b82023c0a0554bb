//! Brings the shop's data to the version in its sources: whole, or not at all.
//!
//! [`profile`] says what is brought, [`input`] opens the files and knows their fingerprint, [`read()`] validates
//! everything; only then does [`run()`] write, and publishes in one transaction.

mod answers;
pub mod coupons;
pub mod difference;
mod freshness;
pub mod input;
mod listing;
pub mod profile;
mod prune;
mod read;
mod rollback;
mod run;
pub mod settings;
mod status;
mod table;
mod terms;
mod verify;
mod version;

pub use freshness::freshness;
pub use listing::Answer;
pub use prune::{Pruned, PrunedVersion, prune};
pub use read::{Data, Reading, read};
pub use rollback::{RollbackOptions, Target, rollback};
pub use run::{Changes, Outcome, Plan, ProfilePlan, ProfileRun, RunOptions, Summary, plan, run};
pub use status::{history, status};
pub use table::{BadRow, Findings, Format};
pub use terms::Terms;
pub use verify::{Verification, Verified, verify};
pub use version::READABLE_FORMATS;

/// Number of the row format of `dataset_rows` that this build writes. Changing what is written means a new number.
pub const ROW_FORMAT: i16 = 1;
