//! Whether the sources have changed.

use process::failure::Failure;
use tokio_postgres::Client;
use tracing::warn;

use super::{Outcome, ProfileLoad, ValidatedProfile, failure};

/// What to do with a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Read it and publish it in place of the active version, if any.
    Load { active: Option<i64> },
    /// The active version has this fingerprint.
    Unchanged { active: i64 },
    /// The sources are older than the active version.
    Held { active: Option<i64> },
    /// A source cannot be reached, and the active version stays.
    Kept { active: i64 },
}

impl Decision {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Decision::Load { .. } => Outcome::Changed,
            Decision::Unchanged { .. } => Outcome::Unchanged,
            Decision::Held { .. } => Outcome::Held,
            Decision::Kept { .. } => Outcome::Kept,
        }
    }

    pub(super) fn active(self) -> Option<i64> {
        match self {
            Decision::Load { active } | Decision::Held { active } => active,
            Decision::Unchanged { active } | Decision::Kept { active } => Some(active),
        }
    }
}

/// One look, for the profile and for what lost runs of any profile have left staged.
const KNOWN: &str = "
    SELECT version, source_version, state, fingerprint = $2 AS is_same
    FROM dataset_versions
    WHERE (profile = $1 AND (state = 'active' OR (state = 'retired' AND fingerprint = $2)))
       OR (state = 'staged' AND EXISTS (
           SELECT FROM bootstrap_runs
           WHERE id = run_id AND (outcome <> 'running' OR heartbeat_at < now() - interval '60 s')
       ))";

const SAME_CONTENT: &str = "
    SELECT version, state = 'active' AS is_active
    FROM dataset_versions
    WHERE profile = $1 AND content_sha256 = $2 AND state IN ('active', 'retired')
    ORDER BY is_active DESC, version DESC
    LIMIT 1";

const REMEMBER: &str = "UPDATE dataset_versions SET fingerprint = $2 WHERE version = $1";

/// Compares the job with the versions that are or were active. What was active before is not
/// brought back by itself: an old pod that restarts must not undo a newer load or a rollback.
///
/// Also returns versions that lost runs staged.
pub(super) async fn decide(
    client: &Client,
    job: &ProfileLoad,
    force: bool,
) -> Result<(Decision, Vec<i64>), Failure> {
    let (mut active, mut is_active, mut was_active, mut lost) = (None, false, false, Vec::new());
    let name = &job.profile.name;
    let known = client.query(KNOWN, &[name, &job.fingerprint.as_slice()]).await;
    for row in known.map_err(failure::database("read the dataset versions"))? {
        let version: i64 = row.get("version");
        match row.get("state") {
            "active" => {
                active = Some((version, row.get::<_, Option<i64>>("source_version")));
                is_active = row.get("is_same");
            }
            "staged" => lost.push(version),
            _ => was_active = true,
        }
    }
    let version = active.map(|(version, _)| version);
    if let Some(unreachable) = &job.unreachable {
        return Ok((keep(name, version, unreachable)?, lost));
    }
    let stated = active.and_then(|(_, stated)| stated);
    let is_lower = matches!((job.profile.version, stated), (Some(ours), Some(active)) if ours < active);
    let decision = match version {
        _ if force => Decision::Load { active: version },
        Some(active) if is_active => Decision::Unchanged { active },
        _ if was_active => {
            not_brought_back(name);
            Decision::Held { active: version }
        }
        _ if is_lower => {
            warn!(
                profile = name,
                version = job.profile.version,
                active = stated,
                "the profile's version is lower than the active one: it is not loaded without --force"
            );
            Decision::Held { active: version }
        }
        _ => Decision::Load { active: version },
    };
    Ok((decision, lost))
}

/// Decides again by what was read: a fingerprint is new on every machine whose files have other
/// times. `remember` notes the fingerprint, so that the next run on this machine need not read.
/// Asks under the lock.
pub(super) async fn decide_by_content(
    client: &Client,
    read: &ValidatedProfile,
    remember: bool,
) -> Result<Decision, Failure> {
    let (active, name) = (read.active, &read.job.profile.name);
    let doing = || failure::database("compare with the dataset versions");
    let content = read.content_sha256.as_slice();
    let same = client.query_opt(SAME_CONTENT, &[name, &content]).await;
    let Some(row) = same.map_err(doing())? else {
        return Ok(Decision::Load { active });
    };
    let (version, is_active): (i64, bool) = (row.get(0), row.get(1));
    if remember {
        let fingerprint = read.job.fingerprint.as_slice();
        let remembered = client.execute(REMEMBER, &[&version, &fingerprint]).await;
        remembered.map_err(doing())?;
    }
    if is_active {
        return Ok(Decision::Unchanged { active: version });
    }
    not_brought_back(name);
    Ok(Decision::Held { active })
}

/// What is active stays because a source cannot be reached.
///
/// # Errors
/// Exit 6 when nothing is active.
pub(super) fn keep(profile: &str, active: Option<i64>, unreachable: &Failure) -> Result<Decision, Failure> {
    let cause = unreachable.line();
    let Some(active) = active else {
        return Err(Failure::new(unreachable.code, cause));
    };
    warn!(
        profile,
        cause,
        version = active,
        "a source cannot be reached; what is active stays"
    );
    Ok(Decision::Kept { active })
}

fn not_brought_back(profile: &str) {
    warn!(
        profile,
        "these data were active before and are not brought back without --force"
    );
}
