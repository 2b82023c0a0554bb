//! SCRAM-SHA-256 verifiers (RFC 5803): what the server stores of a password.
//!
//! Made here, so that no password goes over the wire in an `ALTER ROLE`, or into the server's log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use postgres_protocol::password::scram_sha_256;
use sha2::{Digest as _, Sha256};

/// A stored verifier with more iterations is not computed: it was not made by PostgreSQL.
const MAX_ITERATIONS: u32 = 10_000_000;

/// A verifier with a salt of its own: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`.
pub(super) fn make(password: &str) -> String {
    scram_sha_256(password.as_bytes())
}

/// Whether a verifier was made from this password. One of another kind (MD5) is not: it is
/// replaced.
pub(super) fn matches(password: &str, verifier: &str) -> bool {
    stored_key(verifier).is_some_and(|(salt, iterations, stored)| {
        // As the server does: a password that SASLprep refuses is taken as it is.
        let prepared = stringprep::saslprep(password).map_or_else(|_| password.into(), Into::into);
        let prepared: String = prepared;
        let client_key = hmac(&salted(prepared.as_bytes(), &salt, iterations), b"Client Key");
        Sha256::digest(client_key).as_slice() == stored
    })
}

/// Salt, iterations and StoredKey of a verifier.
fn stored_key(verifier: &str) -> Option<(Vec<u8>, u32, Vec<u8>)> {
    let (iterations, rest) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
    let (salt, keys) = rest.split_once('$')?;
    let (stored, _) = keys.split_once(':')?;
    let iterations = iterations.parse().ok().filter(|count| *count <= MAX_ITERATIONS)?;
    Some((
        STANDARD.decode(salt).ok()?,
        iterations,
        STANDARD.decode(stored).ok()?,
    ))
}

/// PBKDF2-HMAC-SHA-256 with one block.
fn salted(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut last = hmac(password, &[salt, &1u32.to_be_bytes()].concat());
    let mut sum = last;
    for _ in 1..iterations {
        last = hmac(password, &last);
        sum.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

#[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let keyed = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    keyed.chain_update(text).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_the_one_that_postgresql_computes() {
        // SET password_encryption = 'scram-sha-256'; CREATE ROLE x PASSWORD 'pencil'; with the salt
        // of RFC 7677's example: SELECT rolpassword FROM pg_authid.
        let stored = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

        assert!(matches("pencil", stored));
        assert!(!matches("pencils", stored));
    }

    #[test]
    fn a_password_matches_its_own_verifier_alone() {
        let verifier = make("pässword");

        assert!(matches("pässword", &verifier));
        assert!(!matches("password", &verifier));
        assert_ne!(make("pässword"), verifier);
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
