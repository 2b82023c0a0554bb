//! The status of orders: one guarded change, which the API, the storefront, the console and jobs
//! share.
//!
//! `handlers` (HTTP) → [`change_status`] (the rules of `shop::order_status`) → `statement` (the
//! change with all that follows from it, one statement) and `queries` (the present state);
//! `request` and `answer` are what goes over the wire.

mod answer;
pub(crate) mod handlers;
pub(crate) mod queries;
mod request;
mod statement;
mod system;

use std::cell::Cell;

use chrono::{DateTime, TimeDelta, Utc};
use database::pool::{ReadError, is_lost};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use shop::order_status::{allowed, sources};
use shop::{Actor, OrderStatus, Reason, Transition};
use uuid::Uuid;

pub(crate) use request::ReadyIn;
pub(crate) use system::{answer_all, answered_until, first_id_at, unanswered};

use crate::reference_data::ApiKeyId;
use crate::spans;
use crate::state::AppState;
use statement::Statement;

/// The present state of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderState {
    pub(crate) order: Uuid,
    pub(crate) status: OrderStatus,
    /// 1 for placed; grows by 1 with each change.
    pub(crate) version: i32,
    /// When the version was made, in database time.
    pub(crate) changed_at: DateTime<Utc>,
    /// When it is expected to be ready, or became so.
    pub(crate) ready_at: Option<DateTime<Utc>>,
    /// Why it was rejected or cancelled.
    pub(crate) reason: Option<Reason>,
}

/// A state through which an order came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) status: OrderStatus,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: Option<Reason>,
}

/// A change that someone asks for.
#[derive(Clone, Debug)]
pub(crate) struct StatusChange<'a> {
    pub(crate) order: Uuid,
    pub(crate) to: OrderStatus,
    pub(crate) actor: Actor,
    /// The API key that asks; `Customer` and `Browser` reach the orders of this key alone.
    pub(crate) key: ApiKeyId,
    /// Where an operator acts, for `operator_actions`: `api` or `console`; `None` for customers.
    pub(crate) via: Option<&'static str>,
    /// Minutes until it is expected to be ready; `None`: for accepted the setting, otherwise the
    /// time that it has.
    pub(crate) ready_in: Option<ReadyIn>,
    pub(crate) reason: Option<Reason>,
    /// Words of the staff.
    pub(crate) note: Option<&'a str>,
    /// Versions that may be changed; `None`: any.
    pub(crate) versions: Option<&'a [i32]>,
}

/// A change that was made, or was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusChanged {
    /// The state with it.
    pub(crate) state: OrderState,
    /// Whether this call made it.
    pub(crate) is_new: bool,
}

/// Why the status of an order was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotChanged {
    /// There is no such order, or it is another key's.
    #[error("there is no such order")]
    NotFound,
    /// The actor may not bring any order into this state.
    #[error("the actor may not do this")]
    NotPermitted,
    /// The state does not allow it.
    #[error("an order that is {status} does not become {to}")]
    NotAllowed {
        status: OrderStatus,
        to: OrderStatus,
        /// What the actor may change it into.
        allowed: Vec<OrderStatus>,
    },
    /// It has none of the versions that may be changed.
    #[error("the order has version {version} by now")]
    OtherVersion { version: i32 },
    /// Staff must say why.
    #[error("a reason is needed to change an order from {status} to {to}")]
    ReasonRequired { status: OrderStatus, to: OrderStatus },
    /// The reason does not go with the change, or with the actor.
    #[error("the reason does not go with this change")]
    ReasonNotAllowed,
    /// A time does not go with this status.
    #[error("readyInMinutes goes with accepted and preparing only")]
    TimeNotAllowed,
    /// Nothing was changed; it may be tried again.
    #[error("the status could not be changed")]
    Unavailable(#[source] ReadError),
    /// The answer of the database was lost: the change may have been made.
    #[error("whether the status was changed is not known")]
    Unknown(#[source] ReadError),
}

/// Times that a change is tried again because another one came first.
const MOST_RACES: usize = 10;

/// Changes the status of an order, and returns after COMMIT.
///
/// State, event, webhooks, the operator's action and a returned use of a limited promotion are one
/// transaction. The order's own status again, without another time, changes nothing.
///
/// # Errors
/// [`NotChanged`], by the order deadline.
pub(crate) async fn change_status(
    state: &AppState,
    change: &StatusChange<'_>,
) -> Result<StatusChanged, NotChanged> {
    change.check()?;
    let (request_id, trace) = (spans::request_id(), spans::traceparent());
    let origin = (request_id.as_deref(), trace.as_deref());
    // While a statement is sent whose answer did not come, the change may be there.
    let doubt = Cell::new(false);
    let attempt = async |connection: &mut AsyncPgConnection| {
        let in_doubt = doubt.replace(true);
        let changed = change.attempt(connection, state.order_ready_minutes, origin, in_doubt);
        let outcome = spans::database("UPDATE order_states", changed).await;
        doubt.set(match &outcome {
            Ok(_) => false,
            Err(error) => in_doubt || is_lost(error),
        });
        outcome
    };
    let outcome = Box::pin(state.pool.read(state.order_deadline, attempt)).await;
    match outcome {
        Ok(outcome) => {
            let (changed, jobs) = outcome?;
            if jobs > 0 {
                state.queue.wake();
            }
            if changed.is_new {
                state.live.changed([(changed.state.order, changed.state.version)]);
            }
            Ok(changed)
        }
        Err(error) if doubt.get() => Err(NotChanged::Unknown(error)),
        Err(error) => Err(NotChanged::Unavailable(error)),
    }
}

/// A change with the number of its webhooks, or the rule against it.
type Outcome = Result<(StatusChanged, i64), NotChanged>;

impl StatusChange<'_> {
    /// What needs no look at the order.
    fn check(&self) -> Result<(), NotChanged> {
        let can_ever = sources(self.to, self.actor).next().is_some();
        if !can_ever && self.actor != Actor::Staff {
            return Err(NotChanged::NotPermitted);
        }
        if self.ready_in.is_some() && !self.to.takes_ready_time() {
            return Err(NotChanged::TimeNotAllowed);
        }
        let fits = |reason| self.to.is_void() && self.actor.reasons().contains(&reason);
        match self.reason {
            Some(reason) if !fits(reason) => Err(NotChanged::ReasonNotAllowed),
            _ => Ok(()),
        }
    }

    /// The only key that the order may belong to.
    fn owner(&self) -> Option<ApiKeyId> {
        match self.actor {
            Actor::Customer | Actor::Browser => Some(self.key),
            Actor::Staff | Actor::System => None,
        }
    }

    fn reason(&self) -> Option<Reason> {
        let default = self.to.is_void().then(|| self.actor.default_reason());
        self.reason.or(default.flatten())
    }

    /// The states that the rules let it start from, as far as the request says what they need.
    fn sources(&self) -> Vec<&'static str> {
        let has_reason = self.reason().is_some();
        let same = self.ready_in.map(|_| self.to);
        sources(self.to, self.actor)
            .chain(same)
            .filter_map(|from| Transition::find(from, self.to, self.actor))
            .filter(|known| has_reason || !known.needs_reason)
            .map(|known| known.from.name())
            .collect()
    }

    async fn attempt(
        &self,
        connection: &mut AsyncPgConnection,
        ready_minutes: ReadyIn,
        (request_id, trace): (Option<&str>, Option<&str>),
        in_doubt: bool,
    ) -> QueryResult<Outcome> {
        let sources = self.sources();
        let default = (self.to == OrderStatus::Accepted).then_some(ready_minutes);
        let statement = Statement {
            orders: &[self.order],
            to: self.to.name(),
            sources: &sources,
            versions: self.versions,
            owner: self.owner(),
            minutes: self.ready_in.or(default).map(ReadyIn::minutes),
            reason: self.reason().map(Reason::name),
            note: self.note,
            actor: self.actor.name(),
            actor_id: Some(self.key),
            via: self.via,
            request_id,
            trace,
        };
        for _ in 0..MOST_RACES {
            if !sources.is_empty()
                && let Some((order, version, changed_at, ready_at, jobs)) =
                    statement.run(connection).await?.pop()
            {
                let state = OrderState {
                    order,
                    status: self.to,
                    version,
                    changed_at,
                    ready_at,
                    reason: self.reason(),
                };
                return Ok(Ok((StatusChanged { state, is_new: true }, jobs)));
            }
            let Some(state) = queries::state(connection, self.order, self.owner()).await? else {
                return Ok(Err(NotChanged::NotFound));
            };
            if in_doubt
                && let Some(request_id) = request_id
                && state.status == self.to
                && queries::is_made_by(connection, &state, Some(self.key), request_id).await?
            {
                return Ok(Ok((StatusChanged { state, is_new: true }, 1)));
            }
            if let Some(answer) = self.answer_to(state) {
                return Ok(answer.map(|state| (StatusChanged { state, is_new: false }, 0)));
            }
        }
        // Others were first each time: the client may try again.
        Err(diesel::result::Error::RollbackTransaction)
    }

    /// What is said of an order in this state that the statement left alone; `None`: it would be
    /// changed, so another change came first.
    fn answer_to(&self, state: OrderState) -> Option<Result<OrderState, NotChanged>> {
        let OrderState { status, version, .. } = state;
        let to = self.to;
        if self.versions.is_some_and(|versions| !versions.contains(&version)) {
            return Some(Err(NotChanged::OtherVersion { version }));
        }
        if status == to && !self.is_other_time(&state) {
            return Some(Ok(state));
        }
        match Transition::find(status, to, self.actor) {
            None => Some(Err(NotChanged::NotAllowed {
                status,
                to,
                allowed: allowed(status, self.actor).collect(),
            })),
            Some(known) if known.needs_reason && self.reason().is_none() => {
                Some(Err(NotChanged::ReasonRequired { status, to }))
            }
            Some(_) => None,
        }
    }

    /// Whether it asks for another expected time than the one that was set with the version.
    fn is_other_time(&self, state: &OrderState) -> bool {
        self.ready_in.is_some_and(|ready_in| {
            let asked = state.changed_at + TimeDelta::minutes(ready_in.minutes().into());
            state.ready_at != Some(asked)
        })
    }
}
