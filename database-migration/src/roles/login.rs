//! Checks a role's password by logging in: only superusers may read the stored verifier.

use database::{ConnectError, Database};
use secrecy::SecretString;
use tokio_postgres::error::SqlState;

/// What logging in told about a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// The server asked for a password and took this one.
    Right,
    /// The server refused it.
    Wrong,
    /// The server asks for no password, or lets the role in from elsewhere only.
    Unknown,
}

/// Tries to log in as the role.
pub(super) async fn attempt(database: &Database, name: &str, password: &SecretString) -> Login {
    // As psql does before it asks its user: nothing is sent, and the server logs nothing.
    match database.as_role(name, None).connect().await {
        Err(ConnectError::Refused { cause, .. }) if cause.code().is_none() => {}
        _ => return Login::Unknown,
    }
    match database.as_role(name, Some(password)).connect().await {
        Ok(_) => Login::Right,
        Err(ConnectError::Refused { cause, .. }) if cause.code() == Some(&SqlState::INVALID_PASSWORD) => {
            Login::Wrong
        }
        Err(_) => Login::Unknown,
    }
}
