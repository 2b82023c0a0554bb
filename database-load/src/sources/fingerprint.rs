//! Fingerprints: what decides which rows are loaded, in 32 bytes.

use process::failure::Failure;
use sha2::{Digest as _, Sha256};

use super::object::ObjectVersion;
use super::{Content, Input};
use crate::ROW_FORMAT;

/// SHA-256 over everything that decides which rows are loaded.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a profile's text, its inputs, the row format, the hash key, and whether
/// development rows are refused.
///
/// Of large inputs it has size and time only, of those elsewhere what their servers say of them, or
/// the checksum that the profile states: where it is new, [`content_sha256`] decides.
pub fn fingerprint(profile: &str, inputs: &[Input], hash_key_id: &str, production: bool) -> Fingerprint {
    sum(profile, hash_key_id, production, |add| {
        for input in inputs {
            add(input.name.as_bytes());
            match (&input.content, input.stated, input.sha256.get()) {
                (Content::Read { bytes, .. }, ..) => {
                    add(b"content");
                    add(bytes);
                }
                (_, Some(sum), _) => {
                    add(b"sha256");
                    add(&sum);
                }
                (Content::Fetched(_), None, Some(sum)) => {
                    add(b"sha256");
                    add(sum);
                }
                (Content::OnDisk { about, .. }, ..) => {
                    add(b"file");
                    for number in [
                        about.size.to_be_bytes(),
                        about.modified.0.to_be_bytes(),
                        about.modified.1.to_be_bytes(),
                    ] {
                        add(&number);
                    }
                }
                (Content::Elsewhere(remote), ..) => {
                    add(b"elsewhere");
                    if let Some(ObjectVersion {
                        e_tag,
                        size,
                        modified,
                    }) = &remote.version
                    {
                        add(e_tag.as_deref().unwrap_or_default().as_bytes());
                        add(&size.unwrap_or(u64::MAX).to_be_bytes());
                        add(&modified.unwrap_or_default().to_be_bytes());
                    }
                }
                // Fetched without a sum: cannot be.
                (Content::Fetched(_), None, None) => add(b"unknown"),
            }
        }
    })
}

/// As [`fingerprint`], over every byte that was read: the same on every machine.
///
/// # Errors
/// `Unexpected` when an input was not read to its end.
pub fn content_sha256(
    profile: &str,
    inputs: &[Input],
    hash_key_id: &str,
    production: bool,
) -> Result<Fingerprint, Failure> {
    let digests = inputs.iter().map(Input::sha256).collect::<Result<Vec<_>, _>>()?;
    Ok(sum(profile, hash_key_id, production, |add| {
        digests.iter().for_each(|digest| add(digest));
    }))
}

fn sum(
    profile: &str,
    hash_key_id: &str,
    production: bool,
    rest: impl FnOnce(&mut dyn FnMut(&[u8])),
) -> Fingerprint {
    let mut sum = Sha256::new();
    // Each part is preceded by its length: no two lists of parts make the same stream.
    let mut add = |part: &[u8]| {
        sum.update((part.len() as u64).to_be_bytes());
        sum.update(part);
    };
    add(b"order-food data");
    add(&ROW_FORMAT.to_be_bytes());
    add(hash_key_id.as_bytes());
    add(&[u8::from(production)]);
    add(profile.as_bytes());
    rest(&mut add);
    sum.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn input(name: &str, content: &[u8]) -> Input {
        Input {
            name: name.into(),
            format: None,
            source: 0,
            content: Content::Read {
                path: name.into(),
                bytes: content.into(),
            },
            stated: None,
            sha256: Arc::default(),
            max_text: u64::MAX,
        }
    }

    #[test]
    fn everything_that_decides_the_rows_decides_the_fingerprint() {
        let base = fingerprint("profile", &[input("a", b"1"), input("b", b"2")], "key", false);

        assert_eq!(
            base,
            fingerprint("profile", &[input("a", b"1"), input("b", b"2")], "key", false)
        );
        for other in [
            fingerprint("profile ", &[input("a", b"1"), input("b", b"2")], "key", false),
            fingerprint("profile", &[input("a", b"12"), input("b", b"")], "key", false),
            fingerprint("profile", &[input("b", b"1"), input("a", b"2")], "key", false),
            fingerprint("profile", &[input("a", b"1"), input("b", b"2")], "other", false),
            fingerprint("profile", &[input("a", b"1"), input("b", b"2")], "key", true),
        ] {
            assert_ne!(base, other);
        }
    }
}
