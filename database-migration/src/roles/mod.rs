//! The roles of the database: making them, granting their rights, and checking both.
//!
//! `roles apply` compares what `rights.sql` says with the catalog and changes what differs; `roles
//! check` only compares. Each migration does the part about tables again.

mod apply;
mod difference;
pub(crate) mod owner;
mod password;
mod settings;

use std::fmt;

pub use apply::{Changes, Findings};
pub use settings::{ENVIRONMENT, Invalid, Names, Passwords, Settings};

/// A role of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Owns the tables and their ledger, and cannot log in.
    Owner,
    /// `database-migration`: acts as the owner as soon as it logs in.
    Migrator,
    /// `order-food`.
    App,
    /// `database-load`.
    Loader,
    /// `order-food worker` and `order-food jobs`.
    Worker,
    /// Looks at everything but hashes of API keys, and changes nothing.
    Readonly,
}

impl Role {
    /// In the order in which they are made.
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Migrator,
        Self::App,
        Self::Loader,
        Self::Worker,
        Self::Readonly,
    ];

    /// Those that work with the tables and must not change them.
    const USERS: [Self; 4] = [Self::App, Self::Loader, Self::Worker, Self::Readonly];

    fn logs_in(self) -> bool {
        self != Self::Owner
    }
}

/// The word in the names of the settings.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Migrator => "migrator",
            Self::App => "app",
            Self::Loader => "loader",
            Self::Worker => "worker",
            Self::Readonly => "readonly",
        })
    }
}
