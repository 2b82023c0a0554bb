//! The claiming task: finds work for free slots.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, Statement};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::finish::Ended;
use super::quota::{Shares, claimable, shares};
use super::{Backoff, DATABASE_TIMEOUT, Shared, attempt, seconds, session};
use crate::priority::Priority;
use crate::store::{self, CLAIM, ClaimFilter, ClaimedJob};

/// Most jobs of one claim.
const BATCH: usize = 100;
/// Up to so many slots, each priority is looked at for all of them, and one statement is enough.
const FEW: usize = 8;
/// Lower bounds are forgotten so often: a transaction that commits late brings earlier jobs.
const BOUNDS_LAST: Duration = Duration::from_secs(1);
/// Many slots gather for so long before a claim of few.
const GATHER: Duration = Duration::from_millis(1);

/// Position in the index, below which nothing is queued.
type Bound = (DateTime<Utc>, i64);

struct Claimer<'a> {
    shared: &'a Shared,
    session: Option<(Client, Statement)>,
    bounds: HashMap<(Priority, &'static str), Bound>,
    bounds_since: Instant,
    turn: usize,
}

/// Free slots.
#[derive(Clone, Copy, Debug)]
struct Free {
    slots: usize,
    /// Those that are not kept for CRITICAL and HIGH.
    patient: usize,
}

/// Claims and starts jobs until `stop` is cancelled.
pub(super) async fn run(shared: &Arc<Shared>, ends: &mpsc::Sender<Ended>, stop: &CancellationToken) {
    let mut claimer = Claimer {
        shared,
        session: None,
        bounds: HashMap::new(),
        bounds_since: Instant::now(),
        turn: 0,
    };
    let mut backoff = Backoff::new();
    loop {
        shared.status.turned();
        let free = shared.free();
        let claimed = match shared.may_claim() && free.slots > 0 {
            true => match timeout(DATABASE_TIMEOUT, claimer.claim(free, stop)).await {
                Ok(claimed) => claimed,
                Err(late) => Err(late.into()),
            },
            false => Ok(Vec::new()),
        };
        if stop.is_cancelled() {
            // Claimed while the stop came: given back at once.
            for job in claimed.unwrap_or_default() {
                attempt::give_back(shared, job, ends).await;
            }
            return;
        }
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                debug!(error = format!("{error:#}"), "jobs could not be claimed");
                claimer.session = None;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = backoff.wait() => continue,
                }
            }
        };
        backoff = Backoff::new();
        let full = !claimed.is_empty() && claimed.len() >= free.slots.min(BATCH);
        if !claimed.is_empty() {
            shared.status.claimed();
        }
        for job in claimed {
            attempt::start(shared, job, ends);
        }
        if full && shared.free().slots > 0 {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.enqueued.notified() => {}
            () = shared.freed.notified() => {
                let free = shared.free().slots;
                if shared.settings.slots > 2 * FEW && free < shared.settings.slots / 4 {
                    sleep(GATHER).await;
                }
            }
            () = sleep(shared.settings.poll) => {}
        }
    }
}

impl Shared {
    /// Slots that no attempt has.
    fn free(&self) -> Free {
        let (all, patient) = self.busy.numbers();
        let urgent = self.settings.filter.iter().any(Priority::is_urgent);
        let kept = usize::from(urgent && self.settings.slots > 1);
        let slots = self.settings.slots.saturating_sub(all);
        Free {
            slots,
            patient: (self.settings.slots - kept).saturating_sub(patient).min(slots),
        }
    }

    /// Whether this worker may claim: enabled, and known to live.
    fn may_claim(&self) -> bool {
        self.settings.enabled && !self.is_lost()
    }
}

impl Claimer<'_> {
    /// Jobs for the free slots, at most [`BATCH`].
    async fn claim(&mut self, free: Free, stop: &CancellationToken) -> anyhow::Result<Vec<ClaimedJob>> {
        if self.bounds_since.elapsed() >= BOUNDS_LAST {
            self.bounds.clear();
            self.bounds_since = Instant::now();
        }
        let paused = self.shared.paused_scopes();
        let is_paused = |scope: &str| paused.iter().any(|paused| paused == scope);
        if is_paused("*") {
            return Ok(Vec::new());
        }
        let kinds: Vec<&'static str> = self
            .shared
            .registry
            .kinds()
            .map(|kind| kind.name)
            .filter(|kind| !is_paused(&format!("kind:{kind}")))
            .collect();
        let priorities: Vec<Priority> = claimable(&self.shared.settings.filter, free.patient)
            .into_iter()
            .filter(|priority| !is_paused(&format!("priority:{priority}")))
            .collect();
        if kinds.is_empty() || priorities.is_empty() {
            return Ok(Vec::new());
        }
        let slots = free.slots.min(BATCH);
        let share = shares(slots, &priorities, self.turn);
        self.turn = self.turn.wrapping_add(1);
        let looked_at = match slots <= FEW {
            true => [slots; 5],
            false => share,
        };
        let mut claimed = self
            .statement(free, slots, &priorities, &kinds, (looked_at, share), true)
            .await?;
        if slots <= FEW {
            return Ok(claimed);
        }
        // What is left over, in strict order; a priority that brought less than its share is done.
        for priority in priorities {
            let left = slots - claimed.len();
            let number = |priority: Priority| {
                claimed
                    .iter()
                    .filter(|job| job.priority == priority.number())
                    .count()
            };
            let wanted = share.get(priority as usize).copied().unwrap_or_default();
            if left == 0 || number(priority) < wanted || stop.is_cancelled() {
                continue;
            }
            let patient: usize = claimed
                .iter()
                .filter(|job| job.priority > Priority::High.number())
                .count();
            let free = Free {
                slots: left,
                patient: free.patient.saturating_sub(patient),
            };
            if free.patient == 0 && !priority.is_urgent() {
                break;
            }
            let last_chance = !claimed.iter().any(ClaimedJob::is_last_chance);
            let more = self
                .statement(
                    free,
                    left,
                    &[priority],
                    &kinds,
                    ([left; 5], [left; 5]),
                    last_chance,
                )
                .await;
            match more {
                Ok(more) => claimed.extend(more),
                // What was claimed before is run; the next turn meets the error again.
                Err(error) => {
                    debug!(error = format!("{error:#}"), "more jobs could not be claimed");
                    self.session = None;
                    break;
                }
            }
        }
        Ok(claimed)
    }

    async fn statement(
        &mut self,
        free: Free,
        slots: usize,
        priorities: &[Priority],
        kinds: &[&'static str],
        (looked_at, share): (Shares, Shares),
        last_chance: bool,
    ) -> anyhow::Result<Vec<ClaimedJob>> {
        let of = |shares: &Shares, priority: Priority| {
            let share = shares.get(priority as usize).copied().unwrap_or_default();
            i64::try_from(share).unwrap_or(i64::MAX)
        };
        let mut wanted = ClaimFilter::default();
        for priority in priorities.iter().copied() {
            let looked_at = of(&looked_at, priority);
            if looked_at == 0 {
                continue;
            }
            for kind in kinds {
                let bound = self.bounds.get(&(priority, *kind)).copied();
                let (from_run_at, from_id) = bound.unwrap_or((DateTime::<Utc>::UNIX_EPOCH, 0));
                wanted.priority.push(priority.number());
                wanted.kind.push(kind);
                wanted.quota.push(looked_at);
                wanted.share.push(of(&share, priority));
                wanted.from_run_at.push(from_run_at);
                wanted.from_id.push(from_id);
            }
        }
        let (client, statement) = match &mut self.session {
            Some(session) => session,
            None => {
                let client = session(&self.shared.database).await?;
                let statement = client.prepare(CLAIM).await?;
                self.session.insert((client, statement))
            }
        };
        let started = Instant::now();
        wanted.slots = slots;
        wanted.patient = free.patient.min(slots);
        wanted.last_chance = last_chance && self.shared.last_chance.available_permits() > 0;
        let claimed = store::claim(client, statement, &wanted, self.shared.id).await?;
        self.shared.metrics.claim_seconds.observe(seconds(started));
        for job in &claimed {
            self.raise_bound(job);
        }
        Ok(claimed)
    }

    fn raise_bound(&mut self, job: &ClaimedJob) {
        let kind = self.shared.registry.kinds().find(|kind| kind.name == job.kind);
        let (Some(kind), Some(priority)) = (kind, Priority::of(job.priority)) else {
            warn!(kind = job.kind, "a job of an unknown kind was claimed");
            return;
        };
        let bound = self
            .bounds
            .entry((priority, kind.name))
            .or_insert((job.run_at, job.id));
        *bound = (*bound).max((job.run_at, job.id));
    }
}
