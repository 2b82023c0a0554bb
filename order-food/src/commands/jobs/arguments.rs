//! The arguments of `order-food jobs`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use job_queue::Priority;

/// Look at background jobs, and act on them.
#[derive(Args)]
pub(in crate::commands) struct Jobs {
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Subcommand)]
pub(super) enum Action {
    /// Count jobs by kind and priority.
    #[command(after_help = "Example: order-food jobs stats --json")]
    Stats,
    /// List the worker processes.
    Workers,
    /// List the jobs that run, longest first.
    Running {
        /// Only those of this pod
        #[arg(long)]
        pod: Option<String>,
    },
    /// List jobs that wait or run, without payloads.
    List {
        /// Only of this kind
        #[arg(long)]
        kind: Option<String>,
        /// Only of this priority
        #[arg(long)]
        priority: Option<Priority>,
        /// Only in this state
        #[arg(long, value_enum, ignore_case = true)]
        state: Option<State>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show a job that waits or runs, with payload and failed attempts.
    Show {
        /// Id of the job
        id: i64,
    },
    /// List the periodic jobs with the slot that was last entered.
    Schedules,
    /// Enqueue a job.
    #[command(after_help = "Example: order-food jobs enqueue maintenance.job_retention --wait")]
    Enqueue(Enqueue),
    /// Cancel a job: one that waits at once, one that runs is asked to end.
    Cancel {
        /// Id of the job
        id: i64,
    },
    /// Make a job that waits due now.
    RunNow {
        /// Id of the job
        id: i64,
    },
    /// Stop claims of a scope: *, priority:NAME or kind:NAME; running jobs go on.
    #[command(after_help = "Example: order-food jobs pause priority:BULK --reason 'disk is full'")]
    Pause {
        /// What to pause
        scope: String,
        /// Why, for whoever finds it paused
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// End a pause.
    Resume {
        /// What to resume
        scope: String,
    },
    /// Pause everything and wait until nothing runs; exit code 8 if something still does. `resume
    /// '*'` ends it.
    Drain {
        /// How long to wait
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration())]
        wait: Duration,
        /// Why
        #[arg(long, default_value = "drain", value_parser = NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// Look at dead letters, replay or purge them.
    #[command(subcommand)]
    DeadLetters(DeadLetterAction),
}

/// A job to enqueue.
#[derive(Args)]
pub(super) struct Enqueue {
    /// Kind of the job
    pub(super) kind: String,
    /// Its payload
    #[arg(long, value_name = "JSON", default_value = "null")]
    pub(super) payload: String,
    /// Another priority than the kind's
    #[arg(long)]
    pub(super) priority: Option<Priority>,
    /// Not before this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(super) run_at: Option<DateTime<Utc>>,
    /// Wait until it is done (exit code 1 if it becomes a dead letter, 8 if it is pending after the
    /// time)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "60s", value_parser = duration())]
    pub(super) wait: Option<Duration>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum State {
    Queued,
    Running,
}

impl State {
    pub(super) fn is_running(self) -> bool {
        matches!(self, State::Running)
    }
}

#[derive(Subcommand)]
pub(super) enum DeadLetterAction {
    /// List dead letters, newest first.
    List {
        /// Only of this kind
        #[arg(long)]
        kind: Option<String>,
        /// Those too that were replayed
        #[arg(long)]
        replayed: bool,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show a dead letter, with payload and failed attempts.
    Show {
        /// Id of the dead letter
        id: i64,
    },
    /// Queue dead letters again, each once.
    #[command(
        after_help = "Example: order-food jobs dead-letters replay --kind order.webhook --since 2h --limit 500"
    )]
    Replay {
        #[command(flatten)]
        chosen: Chosen,
        /// Only those that died within this time
        #[arg(long, value_name = "DURATION", requires = "kind", value_parser = duration())]
        since: Option<Duration>,
        /// At most so many
        #[arg(long, requires = "kind", value_parser = clap::value_parser!(i64).range(1..))]
        limit: Option<i64>,
        /// Those of this kind
        #[arg(long, conflicts_with_all = ["ids", "all"])]
        kind: Option<String>,
    },
    /// Remove dead letters for good.
    Purge {
        #[command(flatten)]
        chosen: Chosen,
        /// Those that died longer ago
        #[arg(long, value_name = "DURATION", conflicts_with_all = ["ids", "all"], value_parser = duration())]
        older_than: Option<Duration>,
        /// Confirms that they are lost
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// Dead letters by id, or all.
#[derive(Args)]
pub(super) struct Chosen {
    /// Ids of dead letters
    pub(super) ids: Vec<i64>,
    /// All of them; none is replayed twice
    #[arg(long, conflicts_with = "ids")]
    pub(super) all: bool,
}

/// Seconds, or a time such as 90s, 5m, 2h; at most 1000 days.
fn duration() -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    process::duration::within(Duration::ZERO..=Duration::from_secs(1000 * 86_400))
}
