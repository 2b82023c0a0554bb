//! Values that leave the server and come back: signed, so that only our own are taken.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use shop::HashKeys;

/// Signs values and verifies them, under keys that can be rotated.
#[derive(Clone)]
pub struct Signer(Vec<Hmac<Sha256>>);

/// Characters of a signature: 132 bits.
const LENGTH: usize = 22;

/// What the keys are derived by. No API key holds a NUL, so that no hash of one equals a key.
const DERIVATION: &[u8] = b"\0order-food signed values v1";

impl Signer {
    /// Keys derived of the hash keys: the first signs, all verify.
    pub fn new(keys: &HashKeys) -> Signer {
        let derived = keys.iter().map(|key| keyed(&key.hash(DERIVATION).0));
        Signer(derived.collect())
    }

    /// The signature of `value` for the use that `label` names: 22 characters of URL-safe Base64.
    /// One use's signatures are worth nothing for another.
    pub fn sign(&self, label: &str, value: &[u8]) -> String {
        self.0
            .first()
            .map_or_else(String::new, |key| signature(key, label, value))
    }

    /// Whether `signature` is that of `value` under any key. The time tells nothing of where they
    /// differ.
    pub fn verify(&self, label: &str, value: &[u8], sent: &str) -> bool {
        self.0.iter().fold(false, |found, key| {
            found | is_equal(&signature(key, label, value), sent)
        })
    }
}

#[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("a key of any length")
}

fn signature(key: &Hmac<Sha256>, label: &str, value: &[u8]) -> String {
    let parts = key
        .clone()
        .chain_update(label)
        .chain_update(b"|")
        .chain_update(value);
    let mut text = URL_SAFE_NO_PAD.encode(parts.finalize().into_bytes());
    text.truncate(LENGTH);
    text
}

fn is_equal(ours: &str, sent: &str) -> bool {
    let pairs = ours.bytes().zip(sent.bytes());
    let difference = pairs.fold(0, |difference, (ours, sent)| difference | (ours ^ sent));
    ours.len() == sent.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &str) -> Signer {
        Signer::new(&HashKeys::parse(Some(secrets), true).unwrap())
    }

    #[test]
    fn a_signature_is_good_for_its_value_and_its_use_only() {
        let signer = signer("the first secret of this test");
        let signed = signer.sign("cart v1", b"value");

        assert_eq!(signed.len(), LENGTH);
        assert!(signer.verify("cart v1", b"value", &signed));
        assert!(!signer.verify("cart v1", b"other", &signed));
        assert!(!signer.verify("order v1", b"value", &signed));
        assert!(!signer.verify("cart v1", b"value", &signed[..LENGTH - 1]));
        assert!(!signer.verify("cart v1", b"value", &format!("{signed}A")));
        assert!(!signer.verify("cart v1", b"value", ""));
    }

    #[test]
    fn signatures_outlive_a_rotation_until_their_secret_goes() {
        let (old, new) = ("the first secret of this test", "the second secret of this test");
        let signed = signer(old).sign("order v1", b"value");

        assert!(signer(&format!("{new},{old}")).verify("order v1", b"value", &signed));
        assert!(!signer(new).verify("order v1", b"value", &signed));
        assert_ne!(signer(&format!("{new},{old}")).sign("order v1", b"value"), signed);
    }

    #[test]
    fn no_hash_of_an_api_key_is_a_signing_key() {
        assert!(DERIVATION.contains(&0), "the text of an API key holds no NUL");
    }
}
