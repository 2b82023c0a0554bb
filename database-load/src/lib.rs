//! Brings the shop's data to the version in its sources: whole, or not at all.
//!
//! [`profile`] says what is brought, [`input`] opens the files and knows their fingerprint, [`read()`] validates
//! everything; only then does [`run()`] write, and publishes in one transaction.

pub mod input;
pub mod profile;
mod read;
mod run;
pub mod settings;
pub mod status;
mod table;

pub use read::{Data, Reading, read};
pub use run::{Changes, Outcome, ProfileRun, RunOptions, Summary, run};
pub use table::{BadRow, Findings};

/// Number of the row format of `dataset_rows` that this build writes. Changing what is written means a new number.
pub const ROW_FORMAT: i16 = 1;
