//! The text of a table's file: unpacked, whole, and no longer than is allowed.

use std::io::{self, Read as _};
use std::sync::Arc;

use process::failure::Failure;

use super::unpack::{Packing, unpacked};
use super::{Content, Input, file};

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
        if let Content::Read { bytes, .. } = &self.content
            && Packing::of(bytes).is_none()
            && bytes.len() as u64 <= self.max_text
        {
            return Ok(Ok(Arc::clone(bytes)));
        }
        let failure = |error| file::failure(&self.shown(), error);
        let mut raw = self.reader().map_err(failure)?;
        let mut text = Vec::new();
        let bad = match self.unpack(&mut raw, &mut text) {
            Ok(()) if text.len() as u64 <= self.max_text => None,
            Ok(()) => {
                let reason = format!(
                    "the text goes on beyond {} MiB, the most that MAX_TABLE_MIB allows",
                    self.max_text >> 20
                );
                Some(reason)
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(error.to_string()),
            Err(error) => return Err(failure(error)),
        };
        if let Some(reason) = bad {
            let line = 1 + text.iter().filter(|byte| **byte == b'\n').count() as u64;
            return Ok(Err(BadText { line, reason }));
        }
        // What follows the packed data counts for the sum too.
        io::copy(&mut raw, &mut io::sink()).map_err(failure)?;
        self.unchanged()?;
        Ok(Ok(text.into()))
    }

    /// Reads at most one byte more than is allowed.
    fn unpack(&self, raw: &mut (impl io::Read + Send), text: &mut Vec<u8>) -> io::Result<()> {
        let (reader, _) = unpacked(raw)?;
        reader.take(self.max_text.saturating_add(1)).read_to_end(text)?;
        Ok(())
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
