//! Embedded files under names that carry a hash of their content, so that browsers may keep them.

use std::collections::HashMap;

use actix_web::http::header::HeaderValue;
use sha2::{Digest, Sha256};

use crate::Representation;

/// A file as it was embedded: `site.css` and its bytes.
pub type Source = (&'static str, &'static [u8]);

/// The files of the pages, ready to be sent.
pub struct Assets {
    files: HashMap<String, Representation>,
    addresses: HashMap<&'static str, String>,
}

/// Digits of the hash in a name: 48 bits.
const HASH_DIGITS: usize = 12;

impl Assets {
    /// Names and compresses the files.
    pub fn new(sources: &[Source]) -> Assets {
        let mut files = HashMap::new();
        let mut addresses = HashMap::new();
        for (source, bytes) in sources {
            let name = hashed(source, bytes);
            addresses.insert(*source, format!("/assets/{name}"));
            files.insert(name, Representation::asset(media_type(source), bytes.to_vec()));
        }
        Assets { files, addresses }
    }

    /// Where the file is served, `/assets/site.0123456789ab.css`; empty for one that is not
    /// embedded.
    pub fn address(&self, source: &str) -> &str {
        self.addresses.get(source).map_or("", String::as_str)
    }

    /// The file with this name, hash included.
    pub fn file(&self, name: &str) -> Option<&Representation> {
        self.files.get(name)
    }
}

fn hashed(source: &str, bytes: &[u8]) -> String {
    let digits = hex::encode(Sha256::digest(bytes));
    let hash = digits.get(..HASH_DIGITS).unwrap_or_default();
    match source.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
        None => format!("{source}.{hash}"),
    }
}

fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webp") => "image/webp",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_changes_with_the_content_and_only_the_whole_name_is_served() {
        let one = Assets::new(&[("site.css", b"a{}")]);
        let two = Assets::new(&[("site.css", b"b{}")]);
        let address = one.address("site.css");

        assert_ne!(address, two.address("site.css"));
        assert!(
            address.starts_with("/assets/site.") && address.ends_with(".css"),
            "{address}"
        );
        assert!(one.file(&address["/assets/".len()..]).is_some());
        assert!(one.file("site.css").is_none());
        assert_eq!(one.address("other.css"), "");
    }
}
