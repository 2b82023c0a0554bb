//! Changes of the status of orders: those that wait while statements are under way go together in
//! the next one, so that they share its COMMIT.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use database::pool::{Pool, ReadError, is_lost};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use futures_util::future::join_all;
use job_queue::Queue;
use shop::{OrderStatus, Reason};
use uuid::Uuid;

use super::statement::{Changed, Row, Statement};
use super::{NotChanged, OrderState, ReadyIn, StatusChange, StatusChanged, queries};
use crate::live::Live;
use crate::orders::groups::{Grouped, Groups, Waiting};
use crate::spans;

/// Makes changes. Cheap to clone; see [`StatusChanges::of_thread`].
#[derive(Clone)]
pub(crate) struct StatusChanges {
    context: Arc<Context>,
    groups: Groups<Asked>,
}

/// What changes are made with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) pool: Pool,
    pub(crate) queue: Queue,
    pub(crate) live: Live,
    /// Limit of a change.
    pub(crate) limit: Duration,
    /// What an order takes that is accepted without a time.
    pub(crate) ready_minutes: ReadyIn,
}

/// A change that a request asks for.
struct Asked {
    change: StatusChange,
    sources: Vec<&'static str>,
    minutes: Option<i32>,
    request_id: Option<String>,
    trace: Option<String>,
    /// While a statement is sent whose answer did not come, the change may be there.
    in_doubt: Arc<AtomicBool>,
}

/// A change, or the rule against it.
type Outcome = Result<StatusChanged, NotChanged>;

impl Grouped for Asked {
    type Answer = Result<Outcome, Arc<ReadError>>;
    type Kind = ();
    /// While one waits for a lock, another goes on.
    const STATEMENTS: usize = 2;
    const MOST: usize = 64;

    fn kind(&self) {}

    fn goes_with(&self, other: &Asked) -> bool {
        self.change.order != other.change.order
    }
}

/// Times that changes are tried again because others came first.
const MOST_RACES: usize = 10;

impl StatusChanges {
    pub(crate) fn new(context: Context) -> StatusChanges {
        StatusChanges {
            context: Arc::new(context),
            groups: Groups::default(),
        }
    }

    /// The same with a queue of its own, for another thread: no request wakes another thread.
    pub(crate) fn of_thread(&self) -> StatusChanges {
        StatusChanges {
            context: Arc::new(Context::clone(&self.context)),
            groups: Groups::default(),
        }
    }

    /// Changes the status of an order, and returns after COMMIT.
    ///
    /// State, event, webhooks, the operator's action and a returned use of a limited promotion are
    /// one transaction. The order's own status again, without another time, changes nothing.
    ///
    /// # Errors
    /// [`NotChanged`], by the order deadline.
    pub(crate) async fn make(&self, change: StatusChange) -> Outcome {
        change.check()?;
        let limit = self.context.limit;
        let default = (change.to == OrderStatus::Accepted).then_some(self.context.ready_minutes);
        let in_doubt = Arc::new(AtomicBool::new(false));
        let asked = Asked {
            sources: change.sources(),
            minutes: change.ready_in.or(default).map(ReadyIn::minutes),
            change,
            request_id: spans::request_id(),
            trace: spans::traceparent(),
            in_doubt: in_doubt.clone(),
        };
        let context = self.context.clone();
        let run = async move |group: Vec<Waiting<Asked>>| Box::pin(context.answer(group)).await;
        let made = async {
            let answer = self.groups.answer(asked, limit, run).await;
            answer.unwrap_or_else(|| Err(Arc::new(ReadError::Late(limit))))
        };
        match spans::database("UPDATE order_states", made).await {
            Ok(outcome) => outcome,
            Err(error) if in_doubt.load(Ordering::Relaxed) => Err(NotChanged::Unknown(error)),
            Err(error) => Err(NotChanged::Unavailable(error)),
        }
    }
}

impl Context {
    async fn answer(&self, group: Vec<Waiting<Asked>>) {
        let asked: Vec<&Asked> = group.iter().map(|waiting| &waiting.request).collect();
        match self.change(&asked).await {
            Ok(Some(outcomes)) => {
                for (waiting, outcome) in group.into_iter().zip(outcomes) {
                    waiting.answer(Ok(outcome));
                }
            }
            // One of them is at fault, or waits for a lock.
            Ok(None) => {
                let alone = async |waiting: Waiting<Asked>| {
                    let outcome = self.change(&[&waiting.request]).await;
                    let outcome = outcome.map(|outcomes| outcomes.and_then(|mut one| one.pop()));
                    if let Some(outcome) = outcome.transpose() {
                        waiting.answer(outcome);
                    }
                };
                join_all(group.into_iter().map(alone)).await;
            }
            Err(problem) => {
                for waiting in group {
                    waiting.answer(Err(problem.clone()));
                }
            }
        }
    }

    /// The outcome of each, in their order; `None` when the server refuses several together, and
    /// none of them was made.
    async fn change(&self, group: &[&Asked]) -> Result<Option<Vec<Outcome>>, Arc<ReadError>> {
        let attempt = async |connection: &mut AsyncPgConnection| {
            let doubts = group
                .iter()
                .map(|asked| asked.in_doubt.swap(true, Ordering::Relaxed));
            let in_doubt = doubts.fold(false, |one, other| one | other);
            let outcome = attempt(connection, group, in_doubt).await;
            let in_doubt = match &outcome {
                Ok(_) => false,
                Err(error) => in_doubt || is_lost(error),
            };
            for asked in group {
                asked.in_doubt.store(in_doubt, Ordering::Relaxed);
            }
            match outcome {
                Err(_) if group.len() > 1 && !in_doubt => Ok(None),
                outcome => outcome.map(Some),
            }
        };
        let made = Box::pin(self.pool.read(self.limit, attempt))
            .await
            .map_err(Arc::new)?;
        let Some((outcomes, jobs)) = made else {
            return Ok(None);
        };
        if jobs > 0 {
            self.queue.wake();
        }
        let new = outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().ok().filter(|changed| changed.is_new));
        let mut new = new
            .map(|changed| (changed.state.order, changed.state.version))
            .peekable();
        if new.peek().is_some() {
            self.live.changed(new);
        }
        Ok(Some(outcomes))
    }
}

/// The outcome of each of the group, in its order, with the number of webhooks.
async fn attempt(
    connection: &mut AsyncPgConnection,
    group: &[&Asked],
    in_doubt: bool,
) -> QueryResult<(Vec<Outcome>, i64)> {
    let mut outcomes: HashMap<Uuid, Outcome> = HashMap::new();
    let mut jobs = 0;
    for _ in 0..MOST_RACES {
        let open = |asked: &&&Asked| !outcomes.contains_key(&asked.change.order);
        let open: Vec<&Asked> = group.iter().filter(open).copied().collect();
        if open.is_empty() {
            let in_order = group
                .iter()
                .filter_map(|asked| outcomes.remove(&asked.change.order));
            return Ok((in_order.collect(), jobs));
        }
        let possible = open.iter().filter(|asked| !asked.sources.is_empty());
        let rows: Vec<Row<'_>> = possible.map(|asked| asked.row()).collect();
        let mut made: HashMap<Uuid, Changed> = HashMap::new();
        if !rows.is_empty() {
            let changed = Statement::of(&rows)?.run(connection).await?;
            made.extend(changed.into_iter().map(|changed| (changed.order, changed)));
        }
        let mut unchanged = Vec::new();
        for asked in open {
            match made.remove(&asked.change.order) {
                Some(changed) => {
                    jobs = jobs.max(changed.jobs);
                    outcomes.insert(changed.order, Ok(asked.made(changed)?));
                }
                None => unchanged.push(asked),
            }
        }
        if unchanged.is_empty() {
            continue;
        }
        let ids: Vec<Uuid> = unchanged.iter().map(|asked| asked.change.order).collect();
        let states = queries::states(connection, &ids).await?;
        let mut states: HashMap<Uuid, _> = states.into_iter().map(|found| (found.0.order, found)).collect();
        for asked in unchanged {
            let change = &asked.change;
            let found = states.remove(&change.order);
            let is_own = |key| change.owner().is_none_or(|owner| owner == key);
            let outcome = match found.filter(|(_, key)| is_own(*key)) {
                None => Some(Err(NotChanged::NotFound)),
                Some((state, _)) if in_doubt && asked.has_made(connection, &state).await? => {
                    jobs = jobs.max(1);
                    Some(Ok(StatusChanged {
                        state,
                        is_new: true,
                        history: None,
                    }))
                }
                // Without an answer another change came first.
                Some((state, _)) => change.answer_to(state).map(|answer| {
                    answer.map(|state| StatusChanged {
                        state,
                        is_new: false,
                        history: None,
                    })
                }),
            };
            if let Some(outcome) = outcome {
                outcomes.insert(change.order, outcome);
            }
        }
    }
    // Others were first each time: the clients may try again.
    Err(diesel::result::Error::RollbackTransaction)
}

impl Asked {
    fn row(&self) -> Row<'_> {
        let change = &self.change;
        Row {
            order: change.order,
            to: change.to.name(),
            sources: &self.sources,
            versions: change.versions.as_deref(),
            owner: change.owner(),
            minutes: self.minutes,
            reason: change.reason().map(Reason::name),
            note: change.note.as_deref(),
            actor: change.actor.name(),
            actor_id: Some(change.key),
            via: change.via,
            request_id: self.request_id.as_deref(),
            trace: self.trace.as_deref(),
        }
    }

    fn made(&self, changed: Changed) -> QueryResult<StatusChanged> {
        let state = OrderState {
            order: changed.order,
            status: self.change.to,
            version: changed.version,
            changed_at: changed.changed_at,
            ready_at: changed.ready_at,
            reason: self.change.reason(),
        };
        let before = changed
            .statuses
            .into_iter()
            .zip(changed.times)
            .zip(changed.reasons);
        let before = before.map(|((status, at), reason)| (status, at, reason));
        let name = state.reason.map(|reason| reason.name().to_owned());
        let this = (state.status.name().to_owned(), state.changed_at, name);
        Ok(StatusChanged {
            history: Some(queries::steps(changed.placed_at, before.chain([this]))?),
            state,
            is_new: true,
        })
    }

    /// Whether an earlier attempt of this request brought the order into the state.
    async fn has_made(&self, connection: &mut AsyncPgConnection, state: &OrderState) -> QueryResult<bool> {
        match &self.request_id {
            Some(request_id) if state.status == self.change.to => {
                queries::is_made_by(connection, state, Some(self.change.key), request_id).await
            }
            _ => Ok(false),
        }
    }
}
