//! Reads of single orders in groups: the ids that wait while one statement is under way make up the
//! next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use database::pool::{Pool, ReadError};
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use crate::orders::{Order, queries};

/// A queue of ids and the statements that read them, at most [`STATEMENTS`] at once. A request that
/// goes away leaves its group as it is.
#[derive(Clone)]
pub(super) struct GroupedReads(Arc<Inner>);

struct Inner {
    pool: Pool,
    attempts: Attempts,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<WaitingRead>,
    /// Statements under way.
    statements: usize,
}

struct WaitingRead {
    id: Uuid,
    reply: oneshot::Sender<Found>,
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

/// No answer for an id. Shared by all of a group.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct NotRead(Arc<ReadError>);

type Found = Result<Option<Arc<Order>>, NotRead>;

/// Statements at once: a second one would halve the groups.
const STATEMENTS: usize = 1;
/// The most ids of a statement.
const MAX_GROUP: usize = 256;

impl GroupedReads {
    pub(super) fn new(pool: Pool, attempts: Attempts) -> GroupedReads {
        GroupedReads(Arc::new(Inner {
            pool,
            attempts,
            queue: Mutex::default(),
        }))
    }

    /// The same with a queue of its own.
    pub(super) fn apart(&self) -> GroupedReads {
        GroupedReads::new(self.0.pool.clone(), self.0.attempts)
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The order with this id, within `limit`.
    pub(super) async fn find(&self, id: Uuid, limit: Duration) -> Found {
        let (reply, answer) = oneshot::channel();
        let starts = self.0.with_queue(|queue| {
            queue.waiting.push(WaitingRead { id, reply });
            let starts = queue.statements < STATEMENTS;
            queue.statements += usize::from(starts);
            starts
        });
        if starts {
            let reads = self.0.clone();
            let statements = Statements { reads, ended: false };
            actix_web::rt::spawn(statements.run());
        }
        match timeout(limit, answer).await {
            Ok(Ok(found)) => found,
            _ => Err(NotRead::late(limit)),
        }
    }
}

/// One statement after the other, until no id waits.
struct Statements {
    reads: Arc<Inner>,
    ended: bool,
}

impl Statements {
    async fn run(mut self) {
        while let Some(group) = self.next_group() {
            // Others may be queued by then.
            let mut ids: Vec<Uuid> = group.iter().map(|waiting| waiting.id).collect();
            ids.sort_unstable();
            ids.dedup();
            let found = Box::pin(self.reads.read(&ids)).await;
            for WaitingRead { id, reply } in group {
                let found = match &found {
                    Ok(orders) => orders.get(&id).cloned().transpose(),
                    Err(problem) => Err(problem.clone()),
                };
                // Nobody waits for it any more.
                let _ = reply.send(found);
            }
        }
    }

    /// The ids that requests still wait for; `None`, and these statements end, when there are none.
    fn next_group(&mut self) -> Option<Vec<WaitingRead>> {
        let group = self.reads.with_queue(|queue| {
            queue.waiting.retain(|waiting| !waiting.reply.is_closed());
            let most = queue.waiting.len().min(MAX_GROUP);
            let group: Vec<WaitingRead> = queue.waiting.drain(..most).collect();
            queue.statements -= usize::from(group.is_empty());
            group
        });
        self.ended = group.is_empty();
        (!self.ended).then_some(group)
    }
}

/// Where a statement panicked, those after it have room.
impl Drop for Statements {
    fn drop(&mut self) {
        if !self.ended {
            self.reads.with_queue(|queue| queue.statements -= 1);
        }
    }
}

/// Each id that was asked for alone, or found.
type Orders = HashMap<Uuid, Result<Arc<Order>, NotRead>>;

impl Inner {
    fn with_queue<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn read(&self, ids: &[Uuid]) -> Result<Orders, NotRead> {
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
            return Err(NotRead(Arc::new(problem)));
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

impl NotRead {
    pub(super) fn late(limit: Duration) -> NotRead {
        NotRead(Arc::new(ReadError::Late(limit)))
    }
}
