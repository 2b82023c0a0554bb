//! The life cycle of an order: states, and who may change which into which.

use std::fmt;

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// Stored; the restaurant has not answered yet.
    Placed,
    /// The restaurant takes it.
    Accepted,
    /// It is being cooked.
    Preparing,
    /// It waits to be picked up.
    Ready,
    /// Reserved: it is on its way.
    OutForDelivery,
    /// Final: the customer has it.
    PickedUp,
    /// Reserved, final: it was brought to the customer.
    Delivered,
    /// Final: the restaurant does not take it.
    Rejected,
    /// Final: it was taken back.
    Cancelled,
}

/// A person or program that changes the state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The API key that placed it.
    Customer,
    /// An API key with the scope `manage_orders`.
    Staff,
    /// The browser that placed it in the storefront.
    Browser,
    /// A periodic job.
    System,
}

/// Why an order was rejected or cancelled; clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Something of it is not to be had.
    ItemUnavailable,
    /// The kitchen is closed.
    KitchenClosed,
    /// There are too many orders.
    TooBusy,
    /// The customer asked for it.
    CustomerAsked,
    /// Nobody came for it.
    NotCollected,
    /// Nobody answered it in time.
    NotAnswered,
    /// Anything else.
    Other,
}

/// The text names no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status is one of {}", names(OrderStatus::ALL.map(OrderStatus::name)))]
pub struct NotAnOrderStatus;

/// The text names no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one of {}", names(Reason::ALL.map(Reason::name)))]
pub struct NotAReason;

/// A change that some actors may make; from a state to itself: of the expected time alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: OrderStatus,
    /// The state after.
    pub to: OrderStatus,
    /// Who may make it.
    pub actors: &'static [Actor],
    /// Whether staff must give a reason.
    pub needs_reason: bool,
}

/// Every transition there is.
pub const TRANSITIONS: &[Transition] = {
    use Actor::{Browser, Customer, Staff, System};
    use OrderStatus::{Accepted, Cancelled, PickedUp, Placed, Preparing, Ready, Rejected};
    &[
        Transition::new(Placed, Accepted, &[Staff, System]),
        Transition::new(Placed, Rejected, &[Staff, System]).with_reason(),
        Transition::new(Placed, Cancelled, &[Customer, Staff, Browser]),
        Transition::new(Accepted, Accepted, &[Staff]),
        Transition::new(Accepted, Preparing, &[Staff]),
        Transition::new(Accepted, Cancelled, &[Staff]).with_reason(),
        Transition::new(Preparing, Preparing, &[Staff]),
        Transition::new(Preparing, Ready, &[Staff]),
        Transition::new(Preparing, Cancelled, &[Staff]).with_reason(),
        Transition::new(Ready, PickedUp, &[Staff]),
        Transition::new(Ready, Preparing, &[Staff]),
        Transition::new(Ready, Cancelled, &[Staff]).with_reason(),
    ]
};

impl Transition {
    const fn new(from: OrderStatus, to: OrderStatus, actors: &'static [Actor]) -> Transition {
        Transition {
            from,
            to,
            actors,
            needs_reason: false,
        }
    }

    const fn with_reason(self) -> Transition {
        Transition {
            needs_reason: true,
            ..self
        }
    }

    /// The transition between two states that this actor may make.
    pub fn find(from: OrderStatus, to: OrderStatus, actor: Actor) -> Option<&'static Transition> {
        TRANSITIONS
            .iter()
            .find(|known| known.from == from && known.to == to && known.actors.contains(&actor))
    }
}

/// The other states into which `actor` may change an order that is in `from`.
pub fn allowed(from: OrderStatus, actor: Actor) -> impl Iterator<Item = OrderStatus> {
    TRANSITIONS
        .iter()
        .filter(move |known| known.from == from && known.to != from && known.actors.contains(&actor))
        .map(|known| known.to)
}

/// The other states from which `actor` may change an order into `to`.
pub fn sources(to: OrderStatus, actor: Actor) -> impl Iterator<Item = OrderStatus> {
    TRANSITIONS
        .iter()
        .filter(move |known| known.to == to && known.from != to && known.actors.contains(&actor))
        .map(|known| known.from)
}

impl OrderStatus {
    /// Every state, in the order of an order's life.
    pub const ALL: [OrderStatus; 9] = [
        OrderStatus::Placed,
        OrderStatus::Accepted,
        OrderStatus::Preparing,
        OrderStatus::Ready,
        OrderStatus::OutForDelivery,
        OrderStatus::PickedUp,
        OrderStatus::Delivered,
        OrderStatus::Rejected,
        OrderStatus::Cancelled,
    ];

    /// The name in the API and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            OrderStatus::Placed => "placed",
            OrderStatus::Accepted => "accepted",
            OrderStatus::Preparing => "preparing",
            OrderStatus::Ready => "ready",
            OrderStatus::OutForDelivery => "out_for_delivery",
            OrderStatus::PickedUp => "picked_up",
            OrderStatus::Delivered => "delivered",
            OrderStatus::Rejected => "rejected",
            OrderStatus::Cancelled => "cancelled",
        }
    }

    /// The state with this name.
    ///
    /// # Errors
    /// [`NotAnOrderStatus`] for every other text.
    pub fn parse(name: &str) -> Result<OrderStatus, NotAnOrderStatus> {
        OrderStatus::ALL
            .into_iter()
            .find(|status| status.name() == name)
            .ok_or(NotAnOrderStatus)
    }

    /// Whether nothing leaves the state.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            OrderStatus::PickedUp | OrderStatus::Delivered | OrderStatus::Rejected | OrderStatus::Cancelled
        )
    }

    /// Whether the order is not carried out: its total is not owed, and a reason says why.
    pub const fn is_void(self) -> bool {
        matches!(self, OrderStatus::Rejected | OrderStatus::Cancelled)
    }

    /// Whether a change into it may say when the order will be ready.
    pub const fn takes_ready_time(self) -> bool {
        matches!(self, OrderStatus::Accepted | OrderStatus::Preparing)
    }
}

impl Actor {
    /// Every actor.
    pub const ALL: [Actor; 4] = [Actor::Customer, Actor::Staff, Actor::Browser, Actor::System];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Actor::Customer => "customer",
            Actor::Staff => "staff",
            Actor::Browser => "browser",
            Actor::System => "system",
        }
    }

    /// The reasons that it may give.
    pub const fn reasons(self) -> &'static [Reason] {
        match self {
            Actor::Staff => &Reason::ALL,
            Actor::Customer | Actor::Browser => &[Reason::CustomerAsked, Reason::Other],
            Actor::System => &[Reason::NotAnswered],
        }
    }

    /// The reason of an order that it cancels without one.
    pub const fn default_reason(self) -> Option<Reason> {
        match self {
            Actor::Customer | Actor::Browser => Some(Reason::CustomerAsked),
            Actor::System => Some(Reason::NotAnswered),
            Actor::Staff => None,
        }
    }
}

impl Reason {
    /// Every reason, in the order in which they are offered.
    pub const ALL: [Reason; 7] = [
        Reason::ItemUnavailable,
        Reason::KitchenClosed,
        Reason::TooBusy,
        Reason::CustomerAsked,
        Reason::NotCollected,
        Reason::NotAnswered,
        Reason::Other,
    ];

    /// The name in the API and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::ItemUnavailable => "item_unavailable",
            Reason::KitchenClosed => "kitchen_closed",
            Reason::TooBusy => "too_busy",
            Reason::CustomerAsked => "customer_asked",
            Reason::NotCollected => "not_collected",
            Reason::NotAnswered => "not_answered",
            Reason::Other => "other",
        }
    }

    /// The reason with this name.
    ///
    /// # Errors
    /// [`NotAReason`] for every other text.
    pub fn parse(name: &str) -> Result<Reason, NotAReason> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.name() == name)
            .ok_or(NotAReason)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

fn names<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests;
