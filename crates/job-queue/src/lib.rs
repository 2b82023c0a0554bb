//! Background jobs in PostgreSQL: priorities, retries, dead letters, schedules.
//!
//! ```text
//!  enqueue ──▶ queued ──claim──▶ running ──complete──▶ (deleted; job_result if it has a public id)
//!                ▲  ▲               │ │ │
//!                │  └─retry, snooze─┘ │ └─permanent, exhausted, cancelled──▶ job_dead
//!                │  └─rescue (worker lost, time limit; the third time: poison)──┘  │
//!                └────────────────────────────replay───────────────────────────────┘
//! ```
//!
//! An attempt counts when it is claimed. Each transition out of `running` names the worker and the
//! attempt, so that a worker which was taken for lost changes nothing any more.
//!
//! A [`Job`] is the handler of a [`Kind`]; a [`Registry`] holds those that a process knows. Jobs
//! are inserted by [`enqueue()`] in the caller's transaction, after [`Queue::admit`] has applied
//! the kind's [`Overflow`] policy, and [`Queue::wake`] tells workers after COMMIT.

mod job;
mod job_error;
mod kind;
mod metrics;
mod new_job;
mod priority;
mod queue;
mod registry;
mod run;
mod store;
mod worker;

pub use job::{Job, Outcome};
pub use job_error::JobError;
pub use kind::{Kind, Overflow};
pub use new_job::NewJob;
pub use priority::{Priority, PriorityFilter, UnknownPriority};
pub use queue::{Capacities, Queue, QueueFull};
pub use registry::{Registry, Schedule, Unusable};
pub use run::Run;
pub use store::{
    CancelTarget, Cancelled, Columns, PublicJob, cancel, enqueue, enqueue_on, find_public, insert_from,
};
pub use store::{browse, operate};
pub use worker::{Observer, PlainSpans, RunningJob, Worker, WorkerSettings, WorkerStatus};

/// The build of this program as [`NewJob::min_build`] counts it: raised when a payload changes in
/// a way that earlier builds do not understand.
pub const BUILD: i32 = 1;
