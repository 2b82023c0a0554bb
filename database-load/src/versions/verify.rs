//! Whether the rows in the database are still those of the active versions.

use std::collections::HashMap;

use database::Database;
use process::failure::{ExitCode, Failure};
use serde::Serialize;
use tokio_postgres::{Client, Row};

use crate::datasets::DatasetKind;
use crate::difference::{self, Difference, Expected};
use crate::load::{self, failure, stage};
use crate::run_options::{self, RunOptions};

/// The version that each dataset shows, with the counts of its rows.
const ACTIVE: &str = "
    SELECT DISTINCT ON (dataset) dataset, profile, version, format,
           (SELECT jsonb_object_agg(key, value #>> '{}') FROM jsonb_each(row_counts))::text AS counts
    FROM dataset_versions, unnest(datasets) AS dataset
    WHERE state = 'active'
    ORDER BY dataset, activated_at DESC";

const KEPT: &str = "SELECT count(*) FROM dataset_rows WHERE version = $1 AND dataset = $2";

/// What was compared, and what differs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verification {
    /// Dataset by dataset.
    pub datasets: Vec<Verified>,
}

/// One dataset.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Its name.
    pub dataset: &'static str,
    /// The profile whose version is active for it.
    pub profile: String,
    /// That version.
    pub version: i64,
    /// Tables with rows that are not those of the version.
    pub differences: Vec<Difference>,
    /// What is wrong with the version itself: it can no longer be restored from its rows.
    pub damage: Vec<String>,
}

impl Verified {
    fn drift(&self) -> impl Iterator<Item = String> {
        let rows = self.differences.iter().flat_map(|table| {
            let kinds = [
                (&table.missing, "is missing"),
                (&table.different, "was changed"),
                (&table.extra, "is not of the version"),
            ];
            kinds.into_iter().flat_map(move |(rows, what)| {
                let named = rows.rows.iter();
                named.map(move |row| format!("{} {} {what}", table.table, row.key))
            })
        });
        self.damage.iter().cloned().chain(rows)
    }
}

impl Verification {
    /// Whether every row is what its version says.
    pub fn is_clean(&self) -> bool {
        self.datasets
            .iter()
            .all(|verified| verified.differences.is_empty() && verified.damage.is_empty())
    }

    /// The first thing that differs, in words, and how much else there is.
    pub fn first_drift(&self) -> Option<String> {
        let mut found = self.datasets.iter().flat_map(Verified::drift);
        let first = found.next()?;
        Some(match found.count() {
            0 => first,
            more => format!("{first}; and {more} more"),
        })
    }
}

/// Compares the tables with the rows of the active versions, in one snapshot; of all profiles,
/// unless some are named.
///
/// # Errors
/// Those of the database and the schema, as for a run; `Prerequisite` when nothing is active,
/// `Incompatible` when the rows have a format that this build cannot read.
pub async fn verify(
    database: &Database,
    run_options: &RunOptions,
    profiles: &[String],
) -> Result<Verification, Failure> {
    let look = async {
        let client = load::connect(database, run_options.wait_timeout).await?;
        let begin = client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        begin.await.map_err(failure::database("begin"))?;
        let verification = compare(&client, profiles).await?;
        let end = client.batch_execute("ROLLBACK").await;
        end.map_err(failure::database("end")).map(|()| verification)
    };
    run_options::or_stop(&run_options.deadline(), look).await
}

async fn compare(client: &Client, profiles: &[String]) -> Result<Verification, Failure> {
    let active_data = client.query(ACTIVE, &[]).await;
    let active_data = active_data.map_err(failure::database("read the dataset versions"))?;
    let mut verification = Verification::default();
    for row in active_data {
        let profile: String = row.get("profile");
        if !profiles.is_empty() && !profiles.contains(&profile) {
            continue;
        }
        let number: i64 = row.get("version");
        super::is_readable(client, number, row.get("format")).await?;
        let Some(dataset) = DatasetKind::named(row.get("dataset")) else {
            continue;
        };
        let mut verified = Verified {
            dataset: dataset.name(),
            profile,
            version: number,
            differences: Vec::new(),
            damage: Vec::new(),
        };
        if dataset == DatasetKind::CouponCodes {
            verified.damage.extend(codes(client, &row).await?);
        } else {
            let compared = difference::compare(client, dataset, Expected::Version(number)).await?;
            verified.differences = compared.into_iter().filter(|table| !table.is_empty()).collect();
            verified.damage = rows(client, dataset, &row).await?;
        }
        verification.datasets.push(verified);
    }
    if verification.datasets.is_empty() {
        let whose = if profiles.is_empty() {
            String::new()
        } else {
            format!(" of profile {}", profiles.join(" or "))
        };
        let message = format!("no data{whose} are active: run `database-load` first");
        return Err(Failure::new(ExitCode::Prerequisite, message));
    }
    Ok(verification)
}

/// Codes have no second copy: their number and their sum tell that they are still the same.
async fn codes(client: &Client, active_data: &Row) -> Result<Option<String>, Failure> {
    let version: i64 = active_data.get("version");
    let stored = client.query_one(stage::SUM_OF_CODES, &[&version]).await;
    let stored = stored.map_err(failure::database("sum up the coupon codes"))?;
    let (count, sum): (i64, String) = (stored.get(0), stored.get(1));
    let mut counts = counts(active_data);
    let staged = counts.remove(DatasetKind::CouponCodes.name());
    let staged_sum = counts.remove("coupon_codes_sum");
    if staged.as_deref() != Some(&count.to_string()) {
        let staged = staged.unwrap_or_default();
        return Ok(Some(format!(
            "coupon_codes: {count} codes of version {version} are there, {staged} were loaded"
        )));
    }
    // What an older build staged has no sum.
    Ok(staged_sum.filter(|staged| *staged != sum).map(|_| {
        format!("coupon_codes: the {count} codes of version {version} are not those that were loaded")
    }))
}

/// The rows that a rollback would restore.
async fn rows(client: &Client, dataset: DatasetKind, active_data: &Row) -> Result<Vec<String>, Failure> {
    let version: i64 = active_data.get("version");
    let mut damage = Vec::new();
    let counts = counts(active_data);
    for table in dataset.tables().iter().map(|table| table.name) {
        let staged = counts.get(table);
        let kept = client.query_one(KEPT, &[&version, &table]).await;
        let kept: i64 = kept.map_err(failure::database("count the kept rows"))?.get(0);
        let Some(staged) = staged.filter(|staged| **staged != kept.to_string()) else {
            continue;
        };
        damage.push(format!(
            "dataset_rows: {kept} {table} of version {version} are there, {staged} were loaded"
        ));
    }
    Ok(damage)
}

/// Counts of the rows that were staged, and the sum of the codes, by name.
fn counts(active_data: &Row) -> HashMap<String, String> {
    let counts: Option<&str> = active_data.get("counts");
    counts
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}
