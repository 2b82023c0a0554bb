//! The board as it was last written, for all screens that show the same one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use pages::{Representation, accepts_gzip};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::visit::{Refusal, Visit};

/// A page that was written: when, and after how many hints and changes.
struct Written {
    at: Instant,
    news: (u64, u64),
    page: Representation,
}

type Place = Arc<Mutex<Option<Written>>>;

/// Pages by the session's key, the query and whether they may be compressed.
#[derive(Default)]
pub(super) struct BoardCache {
    places: Lock<HashMap<String, Place>>,
    /// Changes that were made here, whose hints may not have come back yet.
    changes: AtomicU64,
}

/// What is told without hints, such as ages, is this old at most.
const FRESH: Duration = Duration::from_secs(1);
/// Different boards that are kept; with more, all are forgotten.
const MOST: usize = 64;

impl BoardCache {
    /// An order was changed here.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The page of a visit: as it was written since the last hint, or `write` writes it, once for
    /// all who wait.
    pub(super) async fn page(
        &self,
        visit: &Visit,
        write: impl AsyncFnOnce() -> Result<Representation, Refusal>,
    ) -> Result<Representation, Refusal> {
        let place = self.place(visit);
        let mut written = place.lock().await;
        // Before the database is read: news that come meanwhile make the page old.
        let hints = *visit.console.state.live.board().borrow();
        let news = (hints, self.changes.load(Ordering::Acquire));
        if let Some(written) = &*written
            && written.news == news
            && written.at.elapsed() < FRESH
        {
            return Ok(written.page.clone());
        }
        let at = Instant::now();
        let page = write().await?;
        *written = Some(Written {
            at,
            news,
            page: page.clone(),
        });
        Ok(page)
    }

    fn place(&self, visit: &Visit) -> Place {
        let key = visit.session.as_ref().map(|session| session.key);
        let (request, key) = (&visit.request, key.unwrap_or_default());
        let name = format!("{key} {} {}", accepts_gzip(request), request.query_string());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST && !places.contains_key(&name) {
            places.clear();
        }
        places.entry(name).or_default().clone()
    }
}
