//! The status of orders: one guarded change, which the API, the storefront, the console and jobs
//! share.
//!
//! `handlers` (HTTP) → [`StatusChanges`] (changes that wait together) → `statement` (the changes
//! with all that follows from them, one statement) and `queries` (the present state); the rules are
//! `shop::order_status`, `request` and `answer` are what goes over the wire.

mod answer;
mod changes;
pub(crate) mod handlers;
pub(crate) mod queries;
mod request;
mod statement;
mod system;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use database::pool::ReadError;
use shop::order_status::{allowed, sources};
use shop::{Actor, OrderStatus, Reason, Transition};
use uuid::Uuid;

pub(crate) use answer::Step;
pub(crate) use changes::{Context, StatusChanges};
pub(crate) use request::ReadyIn;
pub(crate) use system::{answer_all, answered_until, first_id_at, unanswered};

use crate::reference_data::ApiKeyId;

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

/// A change that someone asks for.
#[derive(Clone, Debug)]
pub(crate) struct StatusChange {
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
    pub(crate) note: Option<String>,
    /// Versions that may be changed; `None`: any.
    pub(crate) versions: Option<Vec<i32>>,
}

/// A change that was made, or was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusChanged {
    /// The state with it.
    pub(crate) state: OrderState,
    /// Whether this call made it.
    is_new: bool,
    /// The way to it, where that is known already.
    history: Option<Vec<Step>>,
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
    Unavailable(#[source] Arc<ReadError>),
    /// The answer of the database was lost: the change may have been made.
    #[error("whether the status was changed is not known")]
    Unknown(#[source] Arc<ReadError>),
}

impl StatusChange {
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

    /// What is said of an order in this state that the statement left alone; `None`: it would be
    /// changed, so another change came first.
    fn answer_to(&self, state: OrderState) -> Option<Result<OrderState, NotChanged>> {
        let OrderState { status, version, .. } = state;
        let to = self.to;
        if self
            .versions
            .as_ref()
            .is_some_and(|versions| !versions.contains(&version))
        {
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
