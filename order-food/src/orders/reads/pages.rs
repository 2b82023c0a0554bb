//! Pages of orders: requests for the same one share a statement and its answer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use database::pool::ReadError;

use super::grouped::GroupedReads;
use crate::http::ApiError;
use crate::http::representation::Representation;
use crate::orders::groups::{Grouped, Waiting};
use crate::orders::with_lines::Page;
use crate::orders::{Order, queries};

/// The orders of a page, for all that asked for it before its statement began.
pub(crate) struct SharedPage {
    pub(crate) orders: Vec<Order>,
    answer: OnceLock<Representation>,
}

impl SharedPage {
    /// The answer with these orders, written by the first one that asks for it.
    ///
    /// # Errors
    /// As of `write`.
    pub(crate) fn answer(
        &self,
        write: impl FnOnce(&[Order]) -> Result<Representation, ApiError>,
    ) -> Result<&Representation, ApiError> {
        if let Some(answer) = self.answer.get() {
            return Ok(answer);
        }
        let answer = write(&self.orders)?;
        Ok(self.answer.get_or_init(|| answer))
    }
}

impl Grouped for Page {
    type Answer = Result<Arc<SharedPage>, Arc<ReadError>>;
    type Kind = Page;
    const STATEMENTS: usize = 1;
    const MOST: usize = usize::MAX;

    fn kind(&self) -> Page {
        *self
    }

    fn goes_with(&self, _: &Page) -> bool {
        true
    }
}

/// The page, of one server, within `limit`.
pub(super) async fn find(
    reads: &GroupedReads,
    page: Page,
    limit: Duration,
) -> Result<Arc<SharedPage>, Arc<ReadError>> {
    let pool = reads.pool().clone();
    let run = async move |group: Vec<Waiting<Page>>| {
        let read = async |connection: &mut _| queries::orders_before(connection, page).await;
        let shared = match pool.read(limit, read).await {
            Ok(orders) => Ok(Arc::new(SharedPage {
                orders,
                answer: OnceLock::new(),
            })),
            Err(problem) => Err(Arc::new(problem)),
        };
        for waiting in group {
            waiting.answer(shared.clone());
        }
    };
    let answer = reads.pages().answer(page, limit, run).await;
    answer.unwrap_or_else(|| Err(Arc::new(ReadError::Late(limit))))
}
