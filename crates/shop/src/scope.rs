//! Rights of an API key.

use std::fmt;

/// A right of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Place orders.
    CreateOrder,
    /// Read the orders that the same key placed.
    ReadOrders,
    /// Read every order.
    ReadAllOrders,
    /// Read sales reports and export them.
    ViewReports,
    /// Change the status of every order.
    ManageOrders,
    /// See the operation of the shop: queues, loads, what operators did.
    ViewOperations,
    /// See and cancel the background jobs of every key.
    Operate,
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is one of create_order, read_orders, read_all_orders, view_reports, manage_orders, view_operations, operate"
)]
pub struct NotAScope;

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scope {
    /// Every scope, in the order in which they are written.
    pub const ALL: [Scope; 7] = [
        Scope::CreateOrder,
        Scope::ReadOrders,
        Scope::ReadAllOrders,
        Scope::ViewReports,
        Scope::ManageOrders,
        Scope::ViewOperations,
        Scope::Operate,
    ];

    /// The scope's name in data files and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::CreateOrder => "create_order",
            Scope::ReadOrders => "read_orders",
            Scope::ReadAllOrders => "read_all_orders",
            Scope::ViewReports => "view_reports",
            Scope::ManageOrders => "manage_orders",
            Scope::ViewOperations => "view_operations",
            Scope::Operate => "operate",
        }
    }

    /// The scope with this name.
    ///
    /// # Errors
    /// [`NotAScope`] for every other text.
    pub fn parse(name: &str) -> Result<Scope, NotAScope> {
        Scope::ALL
            .into_iter()
            .find(|scope| scope.name() == name)
            .ok_or(NotAScope)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Scopes {
    /// Whether the set holds `scope`.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether the set holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes with these names; names that this build does not know are ignored, since a newer
    /// build may have stored them.
    pub fn known<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Scopes {
        names
            .into_iter()
            .filter_map(|name| Scope::parse(name.as_ref()).ok())
            .collect()
    }

    /// The scopes of the set, each once.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.name()), Ok(scope));
        }
        assert_eq!(Scope::parse("CREATE_ORDER"), Err(NotAScope));
        for scope in Scope::ALL {
            assert!(NotAScope.to_string().contains(scope.name()), "{scope}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let scopes: Scopes = [Scope::CreateOrder, Scope::CreateOrder, Scope::ReadAllOrders]
            .into_iter()
            .collect();
        assert_eq!(
            scopes.iter().collect::<Vec<_>>(),
            [Scope::CreateOrder, Scope::ReadAllOrders]
        );
        assert!(!scopes.contains(Scope::ReadOrders));
        assert_eq!(Scopes::known(["read_all_orders", "cook", "create_order"]), scopes);
    }
}
