//! SCRAM-SHA-256 verifiers (RFC 5803): what the server stores of a password. Made here, so that no password goes over the
//! wire in an `ALTER ROLE`, or into the server's log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// PostgreSQL's own default.
const ITERATIONS: u32 = 4096;

/// A stored verifier with more is not computed: somebody wrote nonsense.
const MOST_ITERATIONS: u32 = 10_000_000;

/// A verifier with a salt of its own: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`.
pub(super) fn make(password: &str) -> String {
    // 122 random bits.
    with(password, Uuid::new_v4().as_bytes(), ITERATIONS)
}

/// Whether a verifier was made from this password. One of another kind (MD5) never was: it is to be replaced.
pub(super) fn matches(password: &str, verifier: &str) -> bool {
    let parts = || {
        let (iterations, rest) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
        let (salt, _) = rest.split_once('$')?;
        let iterations = iterations
            .parse()
            .ok()
            .filter(|count| *count <= MOST_ITERATIONS)?;
        Some((STANDARD.decode(salt).ok()?, iterations))
    };
    parts().is_some_and(|(salt, iterations)| with(password, &salt, iterations) == verifier)
}

fn with(password: &str, salt: &[u8], iterations: u32) -> String {
    // As the server does: a password that SASLprep refuses is taken as it is.
    let prepared = stringprep::saslprep(password).map_or_else(|_| password.to_owned(), Into::into);
    let salted = salted(prepared.as_bytes(), salt, iterations);
    let stored_key: [u8; 32] = Sha256::digest(hmac(&salted, b"Client Key")).into();
    let server_key = hmac(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    )
}

/// PBKDF2-HMAC-SHA-256 with one block.
fn salted(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let keyed = keyed(password);
    let finish = |mac: Hmac<Sha256>| -> [u8; 32] { mac.finalize().into_bytes().into() };
    let mut last = finish(keyed.clone().chain_update(salt).chain_update(1u32.to_be_bytes()));
    let mut sum = last;
    for _ in 1..iterations {
        last = finish(keyed.clone().chain_update(last));
        sum.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(text).finalize().into_bytes().into()
}

#[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_the_one_that_postgresql_computes() {
        // SET password_encryption = 'scram-sha-256'; CREATE ROLE x PASSWORD 'pencil'; SELECT rolpassword FROM pg_authid …
        // with the salt of RFC 7677's example, whose client proof and server signature follow from these keys.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();

        assert_eq!(
            with("pencil", &salt, 4096),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
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
