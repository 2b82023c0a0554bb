//! Passwords: whether the server has those of the files, and the statement that sets them.
//!
//! What is sent is a SCRAM-SHA-256 verifier (RFC 5803), so that no password goes over the wire in
//! an `ALTER ROLE`, or into the server's log.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use database::{ConnectError, Database};
use hmac::{Hmac, KeyInit as _, Mac as _};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::escape::{escape_identifier, escape_literal};
use postgres_protocol::password::scram_sha_256;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use tokio_postgres::GenericClient;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::difference::Difference;
use super::{Names, Passwords, Role};

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

/// Null where only superusers may know; a table without the right to read it cannot stand in the
/// same query.
const HIDDEN: &str = "
SELECT rolname::text, NULL::text FROM pg_roles
WHERE rolname = ANY ($1) AND NOT has_table_privilege('pg_authid', 'SELECT')
";

const READABLE: &str =
    "SELECT rolname::text, coalesce(rolpassword, '') FROM pg_authid WHERE rolname = ANY ($1)";

/// The verifiers of the roles that exist; empty without a password, none if it cannot be read.
pub(super) async fn stored(
    client: &(impl GenericClient + Sync),
    names: &Names,
) -> Result<BTreeMap<Role, Option<String>>, tokio_postgres::Error> {
    let may_read = "SELECT has_table_privilege('pg_authid', 'SELECT')";
    let query = match client.query_typed_one(may_read, &[]).await?.try_get(0)? {
        true => READABLE,
        false => HIDDEN,
    };
    let mut stored = BTreeMap::new();
    for row in client
        .query_typed(query, &[(&names.all(), Type::TEXT_ARRAY)])
        .await?
    {
        if let Some(role) = names.role(row.try_get(0)?) {
            stored.insert(role, row.try_get(1)?);
        }
    }
    Ok(stored)
}

/// Logs in with the passwords that cannot be read.
pub(super) async fn logins(
    database: &Database,
    names: &Names,
    passwords: &Passwords,
    stored: BTreeMap<Role, Option<String>>,
) -> BTreeMap<Role, Login> {
    let mut logins = BTreeMap::new();
    for (role, verifier) in stored {
        if let (None, Some(password)) = (verifier, passwords.of(role)) {
            logins.insert(role, login(database, names.of(role), password).await);
        }
    }
    logins
}

async fn login(database: &Database, name: &str, password: &SecretString) -> Login {
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

/// Passwords that are not those of the files, or may not be. A role that was made after the logins
/// has none.
pub(super) fn differences(
    stored: BTreeMap<Role, Option<String>>,
    names: &Names,
    passwords: &Passwords,
    logins: &BTreeMap<Role, Login>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (role, verifier) in stored {
        let (name, Some(password)) = (names.of(role), passwords.of(role)) else {
            continue;
        };
        let password = password.expose_secret();
        let is_right = match &verifier {
            Some(verifier) => matches(password, verifier),
            None => logins.get(&role) == Some(&Login::Right),
        };
        if is_right {
            continue;
        }
        let verifier_of_file = escape_literal(&scram_sha_256(password.as_bytes()));
        differences.push(Difference {
            as_owner: false,
            sql: Some(format!(
                "ALTER ROLE {} PASSWORD {verifier_of_file}",
                escape_identifier(name)
            )),
            todo: format!("set the password of {name}"),
            finding: Some(match verifier.as_deref() {
                Some("") => format!("missing: password of {name}"),
                _ => format!("differs: password of {name} is not that of roles.{role}_password_file"),
            }),
        });
    }
    differences
}

/// Whether a verifier was made from this password: the client's side of SCRAM, against a server
/// that has the verifier. One of another kind (MD5) is not: it is replaced.
fn matches(password: &str, verifier: &str) -> bool {
    let accepts = || {
        let (iterations, rest) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let server_key = STANDARD.decode(keys.split_once(':')?.1).ok()?;
        let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let client_first = std::str::from_utf8(client.message())
            .ok()?
            .strip_prefix("n,,")?
            .to_owned();
        let nonce = client_first.split_once("r=")?.1;
        let server_first = format!("r={nonce}server,s={salt},i={iterations}");
        client.update(server_first.as_bytes()).ok()?;
        let messages = format!("{client_first},{server_first},c=biws,r={nonce}server");
        let signature = Hmac::<Sha256>::new_from_slice(&server_key)
            .ok()?
            .chain_update(messages)
            .finalize();
        let server_final = format!("v={}", STANDARD.encode(signature.into_bytes()));
        client.finish(server_final.as_bytes()).ok()
    };
    accepts().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_the_verifier_that_postgresql_computes() {
        // SET password_encryption = 'scram-sha-256'; CREATE ROLE x PASSWORD 'pencil'; with the salt
        // of RFC 7677's example: SELECT rolpassword FROM pg_authid.
        let stored = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

        assert!(matches("pencil", stored));
        assert!(!matches("pencils", stored));
    }

    #[test]
    fn a_password_matches_its_own_verifier_alone() {
        let verifier = scram_sha_256("pässword".as_bytes());

        assert!(matches("pässword", &verifier));
        assert!(!matches("password", &verifier));
    }

    #[test]
    fn what_is_no_verifier_matches_nothing() {
        for stored in [
            "",
            "md5d41d8cd98f00b204e9800998ecf8427e",
            "SCRAM-SHA-256$x:y$z:w",
            "SCRAM-SHA-256$4294967295:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        ] {
            assert!(!matches("password", stored), "{stored}");
        }
    }
}
