//! Removal of many rows by short statements.

use std::future::Future;

/// Runs `piece` again and again until it removes nothing; returns how many rows it removed in all.
///
/// # Errors
/// The first error of `piece`.
pub(crate) async fn remove_all<F, E>(mut piece: impl FnMut() -> F) -> Result<usize, E>
where
    F: Future<Output = Result<usize, E>>,
{
    let mut removed = 0;
    loop {
        match piece().await? {
            0 => return Ok(removed),
            rows => removed += rows,
        }
    }
}
