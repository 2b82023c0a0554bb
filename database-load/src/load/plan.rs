//! What a run would do, without doing it: a read-only transaction, no lock, no record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use database::Database;
use process::failure::Failure;
use tokio_postgres::Client;
use uuid::Uuid;

use super::decide::{self, Decision};
use super::steps::{fetch, read_job};
use super::{LoadOptions, Outcome, ValidatedProfile, connect, failure, open, shrink_guard};
use crate::datasets::DatasetKind;
use crate::difference::{self, Difference, Expected};
use crate::run_options;

/// What a run would do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order in which the profiles were given.
    pub profiles: Vec<ProfilePlan>,
}

/// What a run would do with one profile.
#[derive(Clone, Debug)]
pub struct ProfilePlan {
    /// Names this look in the log; the id of no row.
    pub run_id: Uuid,
    /// The profile's name.
    pub profile: String,
    /// How the run would end: `Changed`, `Unchanged`, `Held` or `Kept`.
    pub outcome: Outcome,
    /// The active version now.
    pub version: Option<i64>,
    /// Table by table, what is `missing` would be added, what is `different` changed, what is
    /// `extra` retired. Empty unless the outcome is `Changed`, and without what a later profile of
    /// the same command brings instead.
    pub tables: Vec<Difference>,
}

impl ProfilePlan {
    /// Whether a run would publish anything.
    pub fn is_change(&self) -> bool {
        self.outcome == Outcome::Changed
    }
}

/// Reads and validates the sources and compares them with the active data. Writes nothing and locks
/// nothing: a role that may only read can do it, on a standby too.
///
/// # Errors
/// Those that a run would end with, but for what only writing shows.
pub async fn plan(database: &Database, options: &LoadOptions) -> Result<Plan, Failure> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let deadline = options.run_options.deadline();
    let plan = run_options::or_stop(&deadline, make(database, options, &interrupt)).await;
    interrupt.store(true, Ordering::Relaxed);
    plan
}

async fn make(
    database: &Database,
    options: &LoadOptions,
    interrupt: &Arc<AtomicBool>,
) -> Result<Plan, Failure> {
    let jobs = open(options, &super::runs(&options.profiles)).await?;
    let client = connect::connect(database, options.run_options.wait_timeout).await?;
    let mut plan = Plan::default();
    let mut loads = Vec::new();
    for mut job in jobs {
        let (mut decision, _) = decide::decide(&client, &job, options.force).await?;
        if let Decision::Load { active } = decision
            && let Some(kept) = fetch(options, &mut job, active).await?
        {
            decision = kept;
        }
        plan.profiles.push(ProfilePlan {
            run_id: job.run_id,
            profile: job.profile.name.clone(),
            outcome: decision.outcome(),
            version: decision.active(),
            tables: Vec::new(),
        });
        if let Decision::Load { active } = decision {
            loads.push(read_job(options, interrupt, &Arc::default(), job, active).await?);
        }
    }
    // Begun only now: reading may take its time, and an old snapshot keeps the server from cleaning
    // up.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    client
        .batch_execute(begin)
        .await
        .map_err(failure::database("begin"))?;
    let mut seen = Vec::new();
    // The last profile that brings a dataset decides it.
    for load in loads.iter().rev() {
        let planned = plan
            .profiles
            .iter_mut()
            .find(|planned| planned.run_id == load.job.run_id);
        let Some(planned) = planned else { continue };
        if !options.force {
            let decision = decide::decide_by_content(&client, load, false).await?;
            planned.outcome = decision.outcome();
            planned.version = decision.active();
        }
        if planned.is_change() {
            planned.tables = compare(&client, load, options.force, &mut seen).await?;
        }
    }
    let end = client.batch_execute("ROLLBACK").await;
    end.map_err(failure::database("end")).map(|()| plan)
}

async fn compare(
    client: &Client,
    load: &ValidatedProfile,
    force: bool,
    seen: &mut Vec<DatasetKind>,
) -> Result<Vec<Difference>, Failure> {
    let ValidatedProfile { job, data, .. } = load;
    shrink_guard::stored_keys(client, &job.profile.name, data).await?;
    shrink_guard::shrinking(client, &job.profile, data, force).await?;
    let mut tables = Vec::new();
    for dataset in job.profile.datasets() {
        if seen.contains(&dataset) {
            continue;
        }
        if dataset == DatasetKind::CouponCodes {
            tables.push(difference::compare_codes(client, &data.coupon_codes).await?);
        } else {
            let rows = (dataset.dataset().staged)(data)?;
            tables.extend(difference::compare(client, dataset, Expected::Read(&rows)).await?);
        }
        // Every profile adds its orders.
        if !dataset.is_append_only() {
            seen.push(dataset);
        }
    }
    Ok(tables)
}
