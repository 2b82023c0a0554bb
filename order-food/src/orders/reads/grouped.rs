//! Reads of single orders in groups, and of pages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use database::pool::{Pool, ReadError};
use uuid::Uuid;

use crate::orders::groups::{Grouped, Groups, Waiting};
use crate::orders::with_lines::Page;
use crate::orders::{Order, queries};

/// A queue of ids and the statement that reads them.
#[derive(Clone)]
pub(super) struct GroupedReads(Arc<Inner>);

struct Inner {
    pool: Pool,
    attempts: Attempts,
    groups: Groups<OrderId>,
    pages: Groups<Page>,
}

struct OrderId(Uuid);

impl Grouped for OrderId {
    type Answer = Found;
    type Kind = ();
    /// A second one would halve the groups.
    const STATEMENTS: usize = 1;
    const MOST: usize = 256;

    fn kind(&self) {}

    fn goes_with(&self, _: &OrderId) -> bool {
        true
    }
}

/// What is done for a group.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempts {
    /// One statement, within this limit: another server is asked next.
    One(Duration),
    /// A second one when the first was not answered within this limit; a group that the server
    /// refuses is halved until the id at fault is alone.
    Thorough(Duration),
}

/// Shared by all of a group.
type Found = Result<Option<Arc<Order>>, Arc<ReadError>>;

impl GroupedReads {
    pub(super) fn new(pool: Pool, attempts: Attempts) -> GroupedReads {
        GroupedReads(Arc::new(Inner {
            pool,
            attempts,
            groups: Groups::default(),
            pages: Groups::default(),
        }))
    }

    /// The same with a queue of its own.
    pub(super) fn of_thread(&self) -> GroupedReads {
        GroupedReads::new(self.0.pool.clone(), self.0.attempts)
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(super) fn pages(&self) -> &Groups<Page> {
        &self.0.pages
    }

    /// The order with this id, within `limit`.
    pub(super) async fn find(&self, id: Uuid, limit: Duration) -> Found {
        let reads = self.0.clone();
        let run = async move |group: Vec<Waiting<OrderId>>| reads.answer(group).await;
        let answer = self.0.groups.answer(OrderId(id), limit, run).await;
        answer.unwrap_or_else(|| Err(Arc::new(ReadError::Late(limit))))
    }
}

/// Each id that was asked for alone, or found.
type Orders = HashMap<Uuid, Result<Arc<Order>, Arc<ReadError>>>;

impl Inner {
    async fn answer(&self, group: Vec<Waiting<OrderId>>) {
        // Others may be queued by then.
        let mut ids: Vec<Uuid> = group.iter().map(|waiting| waiting.request.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = Box::pin(self.read(&ids)).await;
        for waiting in group {
            let found = match &found {
                Ok(orders) => orders.get(&waiting.request.0).cloned().transpose(),
                Err(problem) => Err(problem.clone()),
            };
            waiting.answer(found);
        }
    }

    async fn read(&self, ids: &[Uuid]) -> Result<Orders, Arc<ReadError>> {
        let problem = match (self.attempt(ids).await, self.attempts) {
            (Err(ReadError::Late(_)), Attempts::Thorough(_)) => self.attempt(ids).await,
            (read, _) => read,
        };
        let problem = match problem {
            Ok(orders) => return Ok(orders),
            Err(problem) => problem,
        };
        let is_alone = ids.len() <= 1;
        if is_alone || problem.is_unreachable() || matches!(self.attempts, Attempts::One(_)) {
            return Err(Arc::new(problem));
        }
        let (one, other) = ids.split_at(ids.len() / 2);
        let mut all = Orders::new();
        for half in [one, other] {
            match Box::pin(self.read(half)).await {
                Ok(orders) => all.extend(orders),
                Err(problem) => all.extend(half.iter().map(|id| (*id, Err(problem.clone())))),
            }
        }
        Ok(all)
    }

    async fn attempt(&self, ids: &[Uuid]) -> Result<Orders, ReadError> {
        let (Attempts::One(limit) | Attempts::Thorough(limit)) = self.attempts;
        let read = async |connection: &mut _| queries::orders_of(connection, ids).await;
        let orders = self.pool.read(limit, read).await?;
        Ok(orders
            .into_iter()
            .map(|order| (order.id, Ok(Arc::new(order))))
            .collect())
    }
}
