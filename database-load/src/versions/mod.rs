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
use crate::datasets::DatasetKind;
use crate::load::failure;

/// Row formats that this build can restore and compare.
pub const READABLE_FORMATS: RangeInclusive<i16> = 1..=ROW_FORMAT;

const FORMATS: &str =
    "SELECT DISTINCT format FROM dataset_rows WHERE version = $1 AND NOT format BETWEEN $2 AND $3";

const ROWS: &str = "SELECT key, row::text FROM dataset_rows WHERE version = $1 AND dataset = $2 ORDER BY key";

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

/// Refuses a version with a row that the API would leave out.
///
/// # Errors
/// `Incompatible`, or those of the database.
async fn is_served(client: &Client, version: i64, datasets: &[DatasetKind]) -> Result<(), Failure> {
    for table in datasets.iter().flat_map(|dataset| dataset.tables()) {
        let Some(is_served) = table.is_served else {
            continue;
        };
        let rows = client.query(ROWS, &[&version, &table.name]).await;
        for row in rows.map_err(failure::database("read the rows of the version"))? {
            let (key, json): (&str, &str) = (row.get(0), row.get(1));
            is_served(json).map_err(|problem| {
                let name = table.name;
                let problem = if table.is_secret {
                    String::new()
                } else {
                    format!(": {problem}")
                };
                let message =
                    format!("version {version} cannot be served by this build: {name} {key}{problem}");
                Failure::new(ExitCode::Incompatible, message)
            })?;
        }
    }
    Ok(())
}
