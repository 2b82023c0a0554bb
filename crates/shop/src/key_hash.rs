//! Hashes of API keys, under keys that can be rotated.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The hash key of development set-ups; production refuses to start with it.
pub const DEVELOPMENT_HASH_KEY: &str = "order-food-development-hash-key";

/// The stored form of an API key: HMAC-SHA-256 of its bytes under a [`HashKey`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyHash(…)")
    }
}

/// A secret under which API keys are hashed.
#[derive(Clone)]
pub struct HashKey {
    id: String,
    keyed: Hmac<Sha256>,
}

/// The hash keys of an installation: the first hashes new keys, all verify.
#[derive(Clone, Debug)]
pub struct HashKeys(Vec<HashKey>);

/// The setting API_KEY_HASH_KEY cannot be used. The message never holds its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHashKeys {
    /// Production has no default.
    #[error(
        "has no default in production: set 1 to {MAX_HASH_KEYS} secrets of at least {MIN_LENGTH} bytes, separated by commas"
    )]
    Missing,
    /// A secret is shorter than 16 bytes.
    #[error("holds a secret shorter than {MIN_LENGTH} bytes")]
    TooShort,
    /// More secrets than a key could be tried against at each request.
    #[error("holds more than {MAX_HASH_KEYS} secrets")]
    TooMany,
    /// The published development secret, in production.
    #[error("holds the development secret, which everybody knows")]
    Development,
}

const MIN_LENGTH: usize = 16;
const MAX_HASH_KEYS: usize = 4;

impl HashKey {
    fn new(secret: &str) -> HashKey {
        // HMAC takes keys of any length.
        #[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
        let keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
        let named = keyed
            .clone()
            .chain_update(b"order-food hash key id")
            .finalize()
            .into_bytes();
        let id = hex::encode(named.iter().copied().take(8).collect::<Vec<u8>>());
        HashKey { id, keyed }
    }

    /// Names the secret without telling it: 16 hexadecimal digits derived from it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The hash of an API key's bytes.
    pub fn hash(&self, api_key: &[u8]) -> KeyHash {
        KeyHash(
            self.keyed
                .clone()
                .chain_update(api_key)
                .finalize()
                .into_bytes()
                .into(),
        )
    }
}

impl HashKey {
    /// The hash of a row without a key, by its id. No header carries a NUL, so that no text that a
    /// client may send has this hash.
    pub fn hash_without_key(&self, id: u128) -> KeyHash {
        let mut name = b"no key v1|\0".to_vec();
        name.extend(id.to_be_bytes());
        self.hash(&name)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HashKey({})", self.id)
    }
}

impl HashKeys {
    /// Parses a comma list of secrets, blanks around each ignored. Without one,
    /// [`DEVELOPMENT_HASH_KEY`] outside production.
    ///
    /// # Errors
    /// [`NotHashKeys`] says which rule the list breaks.
    pub fn parse(list: Option<&str>, production: bool) -> Result<HashKeys, NotHashKeys> {
        let secrets: Vec<&str> = match list.map(str::trim).filter(|list| !list.is_empty()) {
            Some(list) => list.split(',').map(str::trim).collect(),
            None if production => return Err(NotHashKeys::Missing),
            None => vec![DEVELOPMENT_HASH_KEY],
        };
        if production && secrets.contains(&DEVELOPMENT_HASH_KEY) {
            return Err(NotHashKeys::Development);
        }
        if secrets.iter().any(|secret| secret.len() < MIN_LENGTH) {
            return Err(NotHashKeys::TooShort);
        }
        if secrets.len() > MAX_HASH_KEYS {
            return Err(NotHashKeys::TooMany);
        }
        Ok(HashKeys(secrets.into_iter().map(HashKey::new).collect()))
    }

    /// The key that hashes new API keys.
    #[expect(clippy::indexing_slicing, reason = "parse makes at least one")]
    pub fn writer(&self) -> &HashKey {
        &self.0[0]
    }

    /// Every key, the writer first.
    pub fn iter(&self) -> impl Iterator<Item = &HashKey> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "a secret of thirty-two characters";
    const TWO: &str = "and another one of about that size";

    #[test]
    fn the_first_writes_and_all_verify() {
        let keys = HashKeys::parse(Some(&format!("{ONE}, {TWO}")), true).unwrap();
        let before = HashKeys::parse(Some(TWO), true).unwrap();

        assert_eq!(
            keys.writer().id(),
            HashKeys::parse(Some(ONE), true).unwrap().writer().id()
        );
        assert!(
            keys.iter()
                .any(|key| key.hash(b"apitest") == before.writer().hash(b"apitest"))
        );
        assert_ne!(keys.writer().hash(b"apitest"), before.writer().hash(b"apitest"));
    }

    #[test]
    fn the_hash_is_hmac_sha_256() {
        // Case 1 of RFC 4231, 20 times 0x0b: the only case with a key of a fitting length.
        let key = HashKey::new(&"\u{b}".repeat(20));
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hex::encode(key.hash(b"Hi There").0), expected);
    }

    #[test]
    fn a_row_without_a_key_has_a_hash_of_its_own() {
        let keys = HashKeys::parse(Some(ONE), true).unwrap();
        let (one, two) = (
            keys.writer().hash_without_key(1),
            keys.writer().hash_without_key(2),
        );

        assert_ne!(one, two);
        for text in [
            "",
            "no key v1|",
            "no key v1|1",
            "no key v1|00000000-0000-0000-0000-000000000001",
        ] {
            assert_ne!(keys.writer().hash(text.as_bytes()), one, "{text}");
        }
    }

    #[test]
    fn production_wants_secrets_of_its_own() {
        let refused = |list| HashKeys::parse(list, true).unwrap_err();
        assert_eq!(refused(None), NotHashKeys::Missing);
        assert_eq!(refused(Some(" ")), NotHashKeys::Missing);
        assert_eq!(refused(Some(DEVELOPMENT_HASH_KEY)), NotHashKeys::Development);
        assert_eq!(refused(Some("short")), NotHashKeys::TooShort);
        assert_eq!(refused(Some(&[ONE; 5].join(","))), NotHashKeys::TooMany);
        assert_eq!(HashKeys::parse(None, false).unwrap().iter().count(), 1);
    }
}
