//! Objects on other servers: their versions and their content.

use bytes::Bytes;
use futures_util::stream::BoxStream;

/// What tells an object from the one that will replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectVersion {
    pub(super) e_tag: Option<String>,
    /// Bytes.
    pub(super) size: Option<u64>,
    /// Seconds since 1970.
    pub(super) modified: Option<i64>,
}

impl ObjectVersion {
    /// `None` when only the content tells two versions apart.
    pub(super) fn known(self) -> Option<ObjectVersion> {
        (self.e_tag.is_some() || self.modified.is_some()).then_some(self)
    }

    /// Compares what both know; the ETag decides alone.
    pub(super) fn is_same(&self, now: &ObjectVersion) -> bool {
        match (&self.e_tag, &now.e_tag) {
            (Some(found), Some(now)) => found == now,
            _ => {
                let sizes = self.size.zip(now.size);
                self.modified == now.modified && sizes.is_none_or(|(found, now)| found == now)
            }
        }
    }
}

/// The content of an object as it comes; an error of the body says why it broke off.
pub(super) struct Answer {
    pub(super) version: Option<ObjectVersion>,
    /// Bytes, if the server says so.
    pub(super) size: Option<u64>,
    pub(super) body: BoxStream<'static, Result<Bytes, String>>,
}
