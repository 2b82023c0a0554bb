//! Whether the sources are news.

use process::exit::Failure;
use tokio_postgres::Client;
use tracing::warn;

use super::{Job, Outcome, failure};

/// What to do with a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Read it and publish it in place of the active version, if any.
    Load { active: Option<i64> },
    /// The active version has this fingerprint.
    Unchanged { active: i64 },
    /// The sources are older than the active version.
    Held { active: Option<i64> },
}

impl Decision {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Decision::Load { .. } => Outcome::Changed,
            Decision::Unchanged { .. } => Outcome::Unchanged,
            Decision::Held { .. } => Outcome::Held,
        }
    }

    pub(super) fn active(self) -> Option<i64> {
        match self {
            Decision::Load { active } | Decision::Held { active } => active,
            Decision::Unchanged { active } => Some(active),
        }
    }
}

const KNOWN: &str = "
    SELECT version, source_version, state = 'active' AS is_active, fingerprint = $2 AS is_same
    FROM dataset_versions
    WHERE profile = $1 AND (state = 'active' OR (state = 'retired' AND fingerprint = $2))";

/// Compares the job with the versions that are or were active. What was active before is not brought back by itself: an
/// old pod that restarts must not undo a newer load or a rollback.
pub(super) async fn decide(client: &Client, job: &Job, force: bool) -> Result<Decision, Failure> {
    let (mut active, mut is_active, mut was_active) = (None, false, false);
    let name = &job.profile.name;
    let known = client.query(KNOWN, &[name, &job.fingerprint.as_slice()]).await;
    for row in known.map_err(failure::database("read the dataset versions"))? {
        match (row.get("is_active"), row.get("is_same")) {
            (true, same) => {
                active = Some((
                    row.get::<_, i64>("version"),
                    row.get::<_, Option<i64>>("source_version"),
                ));
                is_active = same;
            }
            (false, _) => was_active = true,
        }
    }
    let version = active.map(|(version, _)| version);
    let stated = active.and_then(|(_, stated)| stated);
    let is_lower = matches!((job.profile.version, stated), (Some(ours), Some(active)) if ours < active);
    match version {
        _ if force => Ok(Decision::Load { active: version }),
        Some(active) if is_active => Ok(Decision::Unchanged { active }),
        _ if was_active => {
            warn!(
                profile = name,
                "these data were in force before and are not brought back without --force"
            );
            Ok(Decision::Held { active: version })
        }
        _ if is_lower => {
            warn!(
                profile = name,
                version = job.profile.version,
                active = stated,
                "the profile's version is lower than the active one: it is not loaded without --force"
            );
            Ok(Decision::Held { active: version })
        }
        _ => Ok(Decision::Load { active: version }),
    }
}
