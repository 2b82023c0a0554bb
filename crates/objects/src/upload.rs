//! An object that is being written.

use object_store::{MultipartUpload, PutResult, WriteMultipart};
use tokio::runtime::Handle;
use tracing::debug;

use crate::store_error::StoreError;

/// Bytes of a part. A bucket takes 10,000 parts of an object: 80 GB.
const PART: usize = 8 << 20;
/// Parts on their way at the same time, beside the one that is being filled.
const CONCURRENT_PARTS: usize = 1;

/// An object that is being written: visible once [`Upload::finish`] has returned, under its name
/// whole or not at all. Dropped before, what was sent is removed.
///
/// Holds at most two parts of 8 MiB.
pub struct Upload(Option<WriteMultipart>);

impl Upload {
    pub(crate) fn new(upload: Box<dyn MultipartUpload>) -> Upload {
        Upload(Some(WriteMultipart::new_with_chunk_size(upload, PART)))
    }

    /// Appends bytes; waits while parts are on their way.
    ///
    /// # Errors
    /// [`StoreError`] when an earlier part could not be sent.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(parts) = &mut self.0 else { return Ok(()) };
        parts.wait_for_capacity(CONCURRENT_PARTS).await?;
        parts.write(bytes);
        Ok(())
    }

    /// Sends the rest and makes the object visible.
    ///
    /// # Errors
    /// [`StoreError`]: the object is as it was before.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        if let Some(parts) = self.0.take() {
            let _: PutResult = parts.finish().await?;
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (Some(parts), Ok(runtime)) = (self.0.take(), Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            if let Err(error) = parts.abort().await {
                debug!(error = %error, "an upload could not be taken back");
            }
        });
    }
}
