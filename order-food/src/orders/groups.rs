//! Requests in groups: those that wait while statements are under way make up the next one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// A request that is answered together with others.
pub(super) trait Grouped: 'static {
    type Answer: 'static;
    /// Requests of different kinds neither share a statement nor wait for each other.
    type Kind: Copy + PartialEq + 'static;
    /// Statements at once, of one kind in one queue.
    const STATEMENTS: usize;
    /// The most requests of a statement.
    const MOST: usize;

    fn kind(&self) -> Self::Kind;

    /// Whether one statement can do both, which are of one kind.
    fn goes_with(&self, other: &Self) -> bool;
}

/// A queue of requests and the statements that answer them. A request that goes away leaves its
/// group as it is.
pub(super) struct Groups<R: Grouped>(Arc<Mutex<Queue<R>>>);

struct Queue<R: Grouped> {
    waiting: Vec<Waiting<R>>,
    /// The kinds of the statements under way.
    statements: Vec<R::Kind>,
}

/// A request of a group.
pub(super) struct Waiting<R: Grouped> {
    pub(super) request: R,
    reply: oneshot::Sender<R::Answer>,
}

impl<R: Grouped> Groups<R> {
    /// The answer to `request`, which `run` gives to each of a group; `None` when it does not come
    /// within `limit`.
    pub(super) async fn answer(
        &self,
        request: R,
        limit: Duration,
        run: impl AsyncFn(Vec<Waiting<R>>) + 'static,
    ) -> Option<R::Answer> {
        let (reply, answer) = oneshot::channel();
        let kind = request.kind();
        let starts = self.with_queue(|queue| {
            queue.waiting.push(Waiting { request, reply });
            let under_way = queue.statements.iter().filter(|other| **other == kind);
            let starts = under_way.count() < R::STATEMENTS;
            queue.statements.extend(starts.then_some(kind));
            starts
        });
        if starts {
            let statements = Statements {
                groups: self.clone(),
                kind,
                ended: false,
            };
            actix_web::rt::spawn(statements.run(run));
        }
        timeout(limit, answer).await.ok()?.ok()
    }

    fn with_queue<T>(&self, act: impl FnOnce(&mut Queue<R>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<R: Grouped> Default for Groups<R> {
    fn default() -> Groups<R> {
        Groups(Arc::new(Mutex::new(Queue {
            waiting: Vec::new(),
            statements: Vec::new(),
        })))
    }
}

/// The same queue.
impl<R: Grouped> Clone for Groups<R> {
    fn clone(&self) -> Groups<R> {
        Groups(self.0.clone())
    }
}

impl<R: Grouped> Waiting<R> {
    /// Whether nobody waits for the answer any more.
    pub(super) fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }

    pub(super) fn answer(self, answer: R::Answer) {
        // Nobody waits for it any more.
        let _ = self.reply.send(answer);
    }
}

impl<R: Grouped> Queue<R> {
    /// The requests of this kind that somebody still waits for, as far as they go together.
    fn next_group(&mut self, kind: R::Kind) -> Vec<Waiting<R>> {
        let mut group: Vec<Waiting<R>> = Vec::new();
        let mut rest = Vec::new();
        for waiting in self.waiting.drain(..).filter(|waiting| !waiting.is_gone()) {
            let goes_with = |other: &Waiting<R>| waiting.request.goes_with(&other.request);
            let is_next = waiting.request.kind() == kind && group.len() < R::MOST;
            match is_next && group.iter().all(goes_with) {
                true => group.push(waiting),
                false => rest.push(waiting),
            }
        }
        self.waiting = rest;
        group
    }

    fn ended(&mut self, kind: R::Kind) {
        let ended = self.statements.iter().position(|other| *other == kind);
        ended.map(|place| self.statements.swap_remove(place));
    }
}

/// One statement after the other, until no request of its kind waits.
struct Statements<R: Grouped> {
    groups: Groups<R>,
    kind: R::Kind,
    ended: bool,
}

impl<R: Grouped> Statements<R> {
    async fn run(mut self, run: impl AsyncFn(Vec<Waiting<R>>)) {
        while let Some(group) = self.next_group() {
            run(group).await;
        }
    }

    /// `None`, and these statements end, when no request waits.
    fn next_group(&mut self) -> Option<Vec<Waiting<R>>> {
        let group = self.groups.with_queue(|queue| {
            let group = queue.next_group(self.kind);
            if group.is_empty() {
                queue.ended(self.kind);
            }
            group
        });
        self.ended = group.is_empty();
        (!self.ended).then_some(group)
    }
}

/// Where a statement panicked, those after it have room.
impl<R: Grouped> Drop for Statements<R> {
    fn drop(&mut self) {
        if !self.ended {
            self.groups.with_queue(|queue| queue.ended(self.kind));
        }
    }
}
