//! Where rows are: a file, a folder, a pattern of files, an address.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::format::Format;

/// A source as a profile names it.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the profile has it, without user, password and query.
    pub name: String,
    /// Where that is.
    pub location: Location,
    /// SHA-256 that its bytes, as they lie there, must have; of single files only.
    pub sha256: Option<[u8; 32]>,
    /// What it is, whatever its name ends in; compression aside.
    pub format: Option<Format>,
    /// Whether it has rows; else it has coupon codes.
    pub(crate) is_table: bool,
}

/// A place where rows are.
#[derive(Clone, Debug)]
pub enum Location {
    /// A file, a folder or a pattern, seen from the profile's folder.
    Local(PathBuf),
    /// An address whose user, password and query are never shown.
    Web {
        /// What may be shown.
        url: Url,
        /// Sent with each request; percent-encoded.
        query: Option<SecretString>,
        /// User and password, as they are.
        user: Option<(String, SecretString)>,
    },
    /// An object, a folder (ends in `/`) or a pattern in a bucket.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// The object's key, as it is: nothing is percent-encoded.
        key: String,
    },
}

impl Location {
    /// Whether it may stand for several files: what says so is the name, not what is there.
    pub fn is_plural(&self) -> bool {
        match self {
            Location::Local(path) => {
                let name = path.as_os_str().to_string_lossy();
                name.ends_with('/') || is_pattern(&name)
            }
            Location::Web { .. } => false,
            Location::Bucket { key, .. } => key.ends_with('/') || is_pattern(key),
        }
    }
}

/// Whether a name has what only patterns have.
pub(crate) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// An element of `sources`: a text, or a table that says more, which is what is derived.
#[derive(Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Entry {
    location: String,
    sha256: Option<String>,
    format: Option<Format>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Entry;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a file, a folder, a pattern, an address, or { location = … }")
            }

            fn visit_str<E>(self, location: &str) -> Result<Entry, E> {
                Ok(Entry {
                    location: location.into(),
                    sha256: None,
                    format: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Entry, A::Error> {
                Entry::deserialize(MapAccessDeserializer::new(table))
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

impl Source {
    /// What an element of `sources` means; says what is wrong with it, never a password.
    pub(crate) fn parse(entry: Entry, is_table: bool, folder: &Path) -> Result<Source, String> {
        let Entry {
            location,
            sha256,
            format,
        } = entry;
        let (name, location) = locate(location, folder)?;
        let sha256 = match sha256 {
            None => None,
            Some(_) if location.is_plural() => {
                return Err(format!("source {name}: sha256 is for a single file"));
            }
            Some(sum) => Some(checksum(&sum).ok_or_else(|| {
                format!("source {name}: sha256 is not 64 hexadecimal digits, as sha256sum prints them")
            })?),
        };
        Ok(Source {
            name,
            location,
            sha256,
            format,
            is_table,
        })
    }
}

fn checksum(text: &str) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    hex::decode_to_slice(text, &mut sum).ok().map(|()| sum)
}

fn locate(text: String, folder: &Path) -> Result<(String, Location), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        if text.is_empty() || text.contains('\0') {
            return Err("a source has an empty name, or one with a NUL".into());
        }
        let path = folder.join(&text);
        return Ok((text, Location::Local(path)));
    };
    match scheme {
        "http" | "https" => web(&text),
        "s3" => {
            // A slash at the end says: all of the folder.
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let is_wrong = |part: &str| part.is_empty() || part == "." || part == "..";
            let parts: Vec<&str> = key.strip_suffix('/').unwrap_or(key).split('/').collect();
            if bucket.is_empty()
                || bucket.contains(['@', '?', ':'])
                || (!key.is_empty() && parts.into_iter().any(is_wrong))
            {
                return Err("an S3 source looks like s3://bucket/folder/file.csv".into());
            }
            let key = if key.is_empty() { "/" } else { key };
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            Ok((text, Location::Bucket { bucket, key }))
        }
        _ => Err(format!(
            "the source {} begins with none of https://, http://, s3://, and is no path",
            scheme.escape_debug()
        )),
    }
}

fn web(text: &str) -> Result<(String, Location), String> {
    // The error must not quote the text: there may be a password in it.
    let mut url = Url::parse(text).map_err(|error| format!("a source is no address: {error}"))?;
    let decoded = |text: &str| {
        let bytes = percent_encoding::percent_decode_str(text);
        bytes.decode_utf8().map(|text| text.into_owned())
    };
    let user = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            let wrong = |_| "the user of an address is not UTF-8".to_owned();
            let user = decoded(user).map_err(wrong)?;
            let password = decoded(password.unwrap_or_default()).map_err(wrong)?;
            Some((user, SecretString::from(password)))
        }
    };
    let query = url.query().map(SecretString::from);
    url.set_query(None);
    url.set_fragment(None);
    let no_user = url.set_username("").and_then(|()| url.set_password(None));
    if no_user.is_err() || url.host().is_none() {
        return Err("a source's address has no host".into());
    }
    let name = format!("{url}{}", if query.is_some() { "?…" } else { "" });
    Ok((name, Location::Web { url, query, user }))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn source(location: &str) -> Result<Source, String> {
        let entry = Entry {
            location: location.into(),
            sha256: None,
            format: None,
        };
        Source::parse(entry, true, Path::new("/data"))
    }

    #[test]
    fn user_password_and_query_of_an_address_are_never_shown() {
        let source = source("https://me:p%40ss@host.example:8443/a%20b/menu.csv?sig=S3CRET#x").unwrap();

        assert_eq!(source.name, "https://host.example:8443/a%20b/menu.csv?…");
        assert!(!format!("{source:?}").contains("S3CRET"));
        assert!(!format!("{source:?}").contains("p@ss"));
        let Location::Web { query, user, .. } = source.location else {
            panic!("{source:?}")
        };
        assert_eq!(query.unwrap().expose_secret(), "sig=S3CRET");
        let (user, password) = user.unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("me", "p@ss"));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in [
            "",
            "ftp://host/menu.csv",
            "file:///menu.csv",
            "s3://",
            "s3:///menu.csv",
            "s3://bucket//menu.csv",
            "s3://bucket/../menu.csv",
            "s3://user:S3CRET@bucket/menu.csv",
            "https://",
            "https://S3CRET:x@",
        ] {
            let problem = source(wrong).expect_err(wrong);
            assert!(!problem.contains("S3CRET"), "{problem}");
        }
    }

    #[test]
    fn folders_end_in_a_slash_and_patterns_have_wildcards() {
        for (name, plural) in [
            ("menu.csv", false),
            ("menu/", true),
            ("menu/*.csv", true),
            ("menu-[ab].csv", true),
            ("s3://bucket/menu.csv", false),
            ("s3://bucket/menu/", true),
            ("s3://bucket", true),
            ("s3://bucket/menu/*.csv", true),
            ("https://host/menu?*", false),
        ] {
            assert_eq!(source(name).unwrap().location.is_plural(), plural, "{name}");
        }
    }
}
