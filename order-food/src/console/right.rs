//! Who may see and press what: rights of a session, by the scopes of its API key.

use shop::{Scope, Scopes};

/// What a route of the console needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: the log-in page.
    Nothing,
    /// To be logged in.
    Session,
    /// To see the board: every key that may log in.
    SeeOrders,
    /// To move orders.
    ManageOrders,
    /// To see jobs, loads, webhooks, sales, the audit.
    SeeOperations,
    /// To change jobs and webhooks.
    Operate,
}

/// The scopes of which a key needs one to log in.
pub(super) const LOG_IN: [Scope; 3] = [Scope::ViewOperations, Scope::ManageOrders, Scope::Operate];

impl Right {
    /// Whether a key with these scopes has it.
    pub(super) fn is_of(self, scopes: Scopes) -> bool {
        let any = |wanted: &[Scope]| wanted.iter().any(|scope| scopes.contains(*scope));
        match self {
            Right::Nothing => true,
            Right::Session | Right::SeeOrders => any(&LOG_IN),
            Right::ManageOrders => any(&[Scope::ManageOrders, Scope::Operate]),
            Right::SeeOperations => any(&[Scope::ViewOperations, Scope::Operate]),
            Right::Operate => any(&[Scope::Operate]),
        }
    }

    /// As pages tell who may do what.
    pub(super) fn words(self) -> &'static str {
        match self {
            Right::Operate => "operates",
            Right::ManageOrders => "moves orders",
            _ => "looks",
        }
    }

    /// Whether it changes something, which a console that is read only refuses to all.
    pub fn changes(self) -> bool {
        matches!(self, Right::ManageOrders | Right::Operate)
    }
}
