//! Simulated time: an agenda of events, a processor that tasks share, random numbers by seed.

use std::collections::BTreeMap;

/// Events by the microsecond at which they happen; those of one instant in the order of entry.
pub(crate) struct Agenda<Event> {
    events: BTreeMap<(u64, u64), Event>,
    entered: u64,
    now_us: f64,
}

impl<Event> Agenda<Event> {
    pub(crate) fn new() -> Self {
        Agenda {
            events: BTreeMap::new(),
            entered: 0,
            now_us: 0.0,
        }
    }

    pub(crate) fn now_us(&self) -> f64 {
        self.now_us
    }

    pub(crate) fn after(&mut self, us: f64, event: Event) {
        self.entered += 1;
        self.events
            .insert((picoseconds(self.now_us + us), self.entered), event);
    }

    pub(crate) fn next_us(&self) -> f64 {
        let first = self.events.first_key_value();
        first.map_or(f64::INFINITY, |((at, _), _)| *at as f64 / 1e6)
    }

    /// The next event, at its time.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now_us = at as f64 / 1e6;
        Some(event)
    }

    /// Lets time pass without an event.
    pub(crate) fn pass_until(&mut self, us: f64) {
        self.now_us = us;
    }
}

/// Processor time, shared evenly: a task has a whole core at most.
pub(crate) struct Processor<Task> {
    cores: f64,
    /// By the share at which they are done.
    tasks: BTreeMap<(u64, u64), Task>,
    entered: u64,
    /// Processor time in µs that a task has had which was always there.
    share: f64,
    at_us: f64,
}

impl<Task> Processor<Task> {
    pub(crate) fn new(cores: f64) -> Self {
        Processor {
            cores,
            tasks: BTreeMap::new(),
            entered: 0,
            share: 0.0,
            at_us: 0.0,
        }
    }

    fn speed(&self) -> f64 {
        (self.cores / self.tasks.len() as f64).min(1.0)
    }

    /// From now on there are so many cores; 0: nothing goes on.
    pub(crate) fn set_cores(&mut self, now_us: f64, cores: f64) {
        self.advance(now_us);
        self.cores = cores;
    }

    fn advance(&mut self, now_us: f64) {
        if !self.tasks.is_empty() {
            self.share += (now_us - self.at_us) * self.speed();
        }
        self.at_us = now_us;
    }

    pub(crate) fn start(&mut self, now_us: f64, work_us: f64, task: Task) {
        self.advance(now_us);
        self.entered += 1;
        self.tasks
            .insert((picoseconds(self.share + work_us), self.entered), task);
    }

    /// When the next task is done.
    pub(crate) fn next_us(&self) -> f64 {
        match self.tasks.first_key_value() {
            Some(((share, _), _)) if self.cores > 0.0 => {
                self.at_us + (*share as f64 / 1e6 - self.share).max(0.0) / self.speed()
            }
            _ => f64::INFINITY,
        }
    }

    pub(crate) fn pop(&mut self, now_us: f64) -> Option<Task> {
        self.advance(now_us);
        self.tasks.pop_first().map(|(_, task)| task)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below 213 days, never negative"
)]
fn picoseconds(us: f64) -> u64 {
    (us * 1e6).round() as u64
}

/// SplitMix64: the same numbers for the same seed on every machine.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to 1, 1 excluded.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to `count`, `count` excluded.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.bits() >> 1).unwrap_or_default() % count.max(1)
    }

    /// From `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.fraction()
    }
}
