//! Where objects lie.

use std::path::PathBuf;

/// Where objects lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `s3://bucket` or `s3://bucket/folder`.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// What the key of each object begins with, without a slash at either end; may be empty.
        folder: String,
    },
    /// A folder of this machine.
    Folder(PathBuf),
}

/// The text names no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither s3://bucket, s3://bucket/folder nor the path of a folder")]
pub struct NotALocation(String);

impl Location {
    /// Reads `s3://…` or a path.
    ///
    /// # Errors
    /// [`NotALocation`] for other schemes, a bucket without a name, `.` and `..` in a bucket's
    /// folder, and an empty text.
    pub fn parse(text: &str) -> Result<Location, NotALocation> {
        let refused = || NotALocation(text.to_owned());
        let Some(rest) = text.strip_prefix("s3://") else {
            let is_path = !text.is_empty() && !text.contains("://") && !text.chars().any(char::is_control);
            return is_path.then(|| Location::Folder(text.into())).ok_or_else(refused);
        };
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || ".-_".contains(character)
        };
        let folder = folder.trim_matches('/');
        let is_plain =
            |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
        if bucket.is_empty()
            || !bucket.chars().all(is_name)
            || !(folder.is_empty() || folder.split('/').all(is_plain))
        {
            return Err(refused());
        }
        Ok(Location::Bucket {
            bucket: bucket.to_owned(),
            folder: folder.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_folders_are_told_apart() {
        let bucket = |bucket: &str, folder: &str| Location::Bucket {
            bucket: bucket.into(),
            folder: folder.into(),
        };
        for (text, expected) in [
            ("s3://reports", bucket("reports", "")),
            ("s3://reports/", bucket("reports", "")),
            ("s3://re-ports.2/a/b c/", bucket("re-ports.2", "a/b c")),
            ("/var/exports", Location::Folder("/var/exports".into())),
            ("exports", Location::Folder("exports".into())),
        ] {
            assert_eq!(Location::parse(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "s3://",
            "s3:///folder",
            "s3://Bucket",
            "s3://b/../c",
            "s3://b/c//d",
            "gs://b",
            "https://b/c",
        ] {
            assert!(Location::parse(text).is_err(), "{text}");
        }
    }
}
