//! The text of a table's file: unpacked, whole, and no longer than is allowed.

use std::sync::Arc;

use coupon_scan::ScanError;
use process::failure::Failure;

use super::{Content, Input, file};
use crate::coupons;

/// Most bytes of its text that a zstd frame may ask the decoder to keep, 128 MiB.
const MAX_WINDOW: u64 = 128 << 20;

/// Why there is no text, as a row that is bad.
#[derive(Debug)]
pub(crate) struct BadText {
    /// From 1: as far as the text could be read.
    pub(crate) line: u64,
    pub(crate) reason: String,
}

impl Input {
    /// The whole text.
    ///
    /// # Errors
    /// `Input` when it cannot be read, or is no longer the file that was opened; `InvalidData` when
    /// it is another file than the profile states. `Ok(Err(_))` when it is damaged or too long.
    pub(crate) fn text(&self) -> Result<Result<Arc<[u8]>, BadText>, Failure> {
        let mut text = Vec::new();
        let unpacked = coupon_scan::unpack(&self.for_scan(), MAX_WINDOW, self.max_text, &mut text);
        let reason = match unpacked {
            Ok(()) if text.len() as u64 <= self.max_text => None,
            Ok(()) => Some(format!(
                "the text goes on beyond {} MiB, the most that MAX_TABLE_MIB allows",
                self.max_text >> 20
            )),
            Err(ScanError::Damaged { offset, reason, .. }) => {
                Some(format!("the file is damaged at byte {offset}: {reason}"))
            }
            Err(ScanError::Window { window, .. }) => Some(format!(
                "the zstd data need a window of {} MiB, which is too large: at most {} MiB are allowed, \
                 those of `zstd --long=27`",
                window >> 20,
                MAX_WINDOW >> 20
            )),
            Err(ScanError::Unreadable { cause, .. }) => return Err(file::failure(&self.shown(), cause)),
            Err(error) => return Err(coupons::failure(error)),
        };
        if let Some(reason) = reason {
            let line = 1 + text.iter().filter(|byte| **byte == b'\n').count() as u64;
            return Ok(Err(BadText { line, reason }));
        }
        self.unchanged()?;
        Ok(Ok(text.into()))
    }

    /// Where it is, for errors.
    pub(super) fn shown(&self) -> String {
        match &self.content {
            Content::Read { path, .. } | Content::OnDisk { path, .. } => path.display().to_string(),
            Content::Elsewhere(_) | Content::Fetched(_) => self.name.clone(),
        }
    }

    /// The file for the coupon scanner, which unpacks by itself; ask [`Input::unchanged`]
    /// afterwards.
    pub(crate) fn for_scan(&self) -> coupon_scan::Input {
        let path = match &self.content {
            Content::Read { path, bytes } => return coupon_scan::Input::content(path, Arc::clone(bytes)),
            Content::OnDisk { path, .. } => path,
            Content::Fetched(file) => file.path(),
            Content::Elsewhere(remote) => remote.name.as_ref(),
        };
        let input = self.clone();
        coupon_scan::Input::opened(path, move || input.reader())
    }
}
