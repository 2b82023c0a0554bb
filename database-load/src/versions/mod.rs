//! The versions of each profile: what is active, what was, and the way back.

mod freshness;
mod prune;
mod rollback;
mod status;
mod verify;

use std::ops::RangeInclusive;

use process::failure::{ExitCode, Failure};
use tokio_postgres::Client;

pub use freshness::freshness;
pub use prune::{Pruned, PrunedVersion, prune};
pub use rollback::{RollbackOptions, Target, rollback};
pub use status::{history, status};
pub use verify::{Verification, Verified, verify};

use crate::ROW_FORMAT;
use crate::load::failure;

/// Row formats that this build can restore and compare.
pub const READABLE_FORMATS: RangeInclusive<i16> = 1..=ROW_FORMAT;

const FORMATS: &str =
    "SELECT DISTINCT format FROM dataset_rows WHERE version = $1 AND NOT format BETWEEN $2 AND $3";

/// Refuses a version with rows that another build wrote in a way that this one does not know.
///
/// # Errors
/// `Incompatible`, or those of the database.
pub(crate) async fn is_readable(client: &Client, version: i64, format: i16) -> Result<(), Failure> {
    let (first, last) = (*READABLE_FORMATS.start(), *READABLE_FORMATS.end());
    let rows = client.query(FORMATS, &[&version, &first, &last]).await;
    let rows = rows.map_err(failure::database("read the row formats"))?;
    let unknown = rows
        .first()
        .map(|row| row.get(0))
        .or((!READABLE_FORMATS.contains(&format)).then_some(format));
    match unknown {
        None => Ok(()),
        Some(format) => Err(Failure::new(
            ExitCode::Incompatible,
            format!("version {version} has rows of format {format}; this build reads {first} to {last}"),
        )),
    }
}
