//! How many jobs come into the queue and leave it, sampled while this process runs.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use job_queue::browse;
use tokio::time::Instant;

use super::Console;
use super::cell::Cell;
use super::view::Table;

/// Jobs that came and left in all, at one time.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    added: i64,
    removed: i64,
}

/// The samples of the last half hour, oldest first.
#[derive(Default)]
pub(super) struct Flow(Mutex<VecDeque<Sample>>);

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(5);
/// For how long rates are told.
const SPANS: [(&str, Duration); 3] = [
    ("last minute", Duration::from_secs(60)),
    ("last 5 minutes", Duration::from_secs(300)),
    ("last 30 minutes", Duration::from_secs(1_800)),
];
const LONGEST: Duration = Duration::from_secs(1_800);

impl Flow {
    fn add(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The statistics were reset, or are those of another server.
        if samples
            .back()
            .is_some_and(|last| sample.added < last.added || sample.removed < last.removed)
        {
            samples.clear();
        }
        samples.push_back(sample);
        // One sample is older than the longest span, so that the span is full.
        while samples
            .get(1)
            .is_some_and(|second| second.at + LONGEST <= sample.at)
        {
            samples.pop_front();
        }
    }

    /// Jobs a second that came and that left within `span`; `None`: too little is known yet.
    fn rates(&self, span: Duration) -> Option<(f64, f64)> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = samples.back()?;
        let first = samples
            .iter()
            .rev()
            .find(|sample| sample.at + span <= last.at)
            .or(samples.front())?;
        let seconds = (last.at - first.at).as_secs_f64();
        let rate = |from: i64, to: i64| (to - from) as f64 / seconds;
        (seconds > 0.0).then(|| (rate(first.added, last.added), rate(first.removed, last.removed)))
    }

    /// The rates as a table.
    pub(super) fn table(&self) -> Table {
        let row = |(name, span): (&str, Duration)| {
            let cell = |rate: f64| Cell::Number(format!("{rate:.1}"));
            let (added, removed) = match self.rates(span) {
                Some((added, removed)) => (cell(added), cell(removed)),
                None => (Cell::dash(), Cell::dash()),
            };
            [Cell::text(name), added, removed]
        };
        let caption = "Rates of all priorities, since this console runs";
        let head = ["Within the", "Came, jobs/s", "Left, jobs/s"];
        Table::new(caption, &head, SPANS.map(row), "")
    }
}

/// Samples until the console is gone; a sample that fails is left out.
pub(super) async fn watch(console: Weak<Console>) {
    while let Some(console) = console.upgrade() {
        let read = async |connection: &mut _| browse::flow(connection).await;
        if let Ok((added, removed)) = console.state.pool.read(EVERY, read).await {
            let at = Instant::now();
            console.flow.add(Sample { at, added, removed });
        }
        drop(console);
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(samples: &[(u64, i64, i64)]) -> Flow {
        let flow = Flow::default();
        let start = Instant::now();
        for (seconds, added, removed) in samples {
            flow.add(Sample {
                at: start + Duration::from_secs(*seconds),
                added: *added,
                removed: *removed,
            });
        }
        flow
    }

    #[test]
    fn a_rate_is_that_of_the_span_or_of_what_is_known() {
        let minute = Duration::from_secs(60);
        assert_eq!(flow(&[]).rates(minute), None);
        assert_eq!(flow(&[(0, 5, 5)]).rates(minute), None);
        assert_eq!(flow(&[(0, 5, 5), (10, 25, 15)]).rates(minute), Some((2.0, 1.0)));
        let busy_before = flow(&[(0, 0, 0), (40, 4_000, 4_000), (100, 4_060, 4_030)]);
        assert_eq!(busy_before.rates(minute), Some((1.0, 0.5)));
    }

    #[test]
    fn samples_from_before_a_reset_are_forgotten_and_old_ones_too() {
        assert_eq!(flow(&[(0, 900, 900), (5, 10, 10)]).rates(LONGEST), None);
        let long: Vec<_> = (0..2_000).map(|n| (n * 5, n as i64, 0)).collect();
        let flow = flow(&long);
        assert_eq!(flow.0.lock().unwrap().len(), 361);
        assert_eq!(flow.rates(LONGEST), Some((0.2, 0.0)));
    }
}
