//! The secret of an endpoint, and the signatures made with it, as Standard Webhooks defines them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A key of HMAC-SHA256. Shown by [`WebhookSecret::reveal`] only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebhookSecret(Vec<u8>);

/// Bytes of a new secret; Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("WebhookSecret(…)")
    }
}

impl WebhookSecret {
    /// A new secret of 32 random bytes.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub(crate) fn generate() -> Result<WebhookSecret, getrandom::Error> {
        let mut bytes = vec![0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(WebhookSecret(bytes))
    }

    /// The secret that the database has.
    pub(crate) fn of(bytes: Vec<u8>) -> WebhookSecret {
        WebhookSecret(bytes)
    }

    /// The bytes that the database stores.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The form in which receivers take it: `whsec_` and base64. Shown once, by the command that
    /// made it.
    pub(crate) fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
        let mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("a key of any length")
            .chain_update(format!("{id}.{timestamp}."))
            .chain_update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header `webhook-signature`: one signature for each secret, separated by blanks.
///
/// `timestamp` is the time of the attempt, in seconds since 1970.
pub(crate) fn signatures(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| secret.sign(id, timestamp, body))
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    #[test]
    fn the_signature_is_the_one_that_standard_webhooks_makes() {
        // The example of the specification.
        let theirs = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let ours = WebhookSecret::of(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());

        for body in [
            &b""[..],
            b"{\"test\": 2432232314}",
            "{\"name\":\"Gr\u{fc}ner Tee\"}".as_bytes(),
        ] {
            let expected = theirs
                .sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
                .unwrap();
            assert_eq!(
                signatures(
                    std::slice::from_ref(&ours),
                    "msg_p5jXN8AQM9LWM0D4loKWxJek",
                    1_614_265_330,
                    body
                ),
                expected
            );
        }
    }

    #[test]
    fn a_new_secret_is_32_bytes_of_its_own_that_debug_output_does_not_show() {
        let (one, other) = (
            WebhookSecret::generate().unwrap(),
            WebhookSecret::generate().unwrap(),
        );

        let shown = one.reveal();
        assert_eq!(
            STANDARD.decode(shown.strip_prefix("whsec_").unwrap()).unwrap(),
            one.bytes()
        );
        assert_eq!(one.bytes().len(), 32);
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "WebhookSecret(…)");
        assert!(Webhook::new(&shown).is_ok());
    }
}
