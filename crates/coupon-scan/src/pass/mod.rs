//! ReadContext the files, on several threads, within the memory.

mod eviction;
mod file;
mod scheduler;

use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use eviction::{PartitionRange, partitions};
pub(crate) use file::{Group, ReadContext, ScannedFile};
use scheduler::{FileState, Scheduler};

use crate::ScanError;
use crate::kind::{ByKind, Kind};
use crate::store::{CodeLayout, Disk};

/// One reading of some files.
///
/// Threads take files in turn and read a slice of one of those of which the least was read: so all
/// files end together, whatever the number of threads, and what they hold is seen early. When the
/// arena gets full the readers stop between slices, and the last one decides what has to go: see
/// [`eviction`].
pub(crate) struct Pass<'a> {
    pub(crate) reading: ReadContext<'a>,
    pub(crate) disk: &'a Disk,
    pub(crate) layouts: &'a ByKind<CodeLayout>,
    /// Groups of which one file alone had codes may be dropped.
    pub(crate) may_drop: bool,
}

/// The next step of a thread, with its file.
enum Work {
    Read(usize, Box<ScannedFile>),
    Spill(usize, Box<ScannedFile>, Kind),
}

impl Pass<'_> {
    /// Reads the files with these numbers and keeps codes of `range`, or of fewer if there is no
    /// room for all: answers which.
    pub(crate) fn run(
        &self,
        files: &mut Vec<Box<ScannedFile>>,
        numbers: &[usize],
        range: PartitionRange,
    ) -> Result<PartitionRange, ScanError> {
        let threads = self.reading.plan.threads.min(numbers.len());
        let scheduler = Mutex::new(Scheduler::new(std::mem::take(files), numbers, range));
        let changed = Condvar::new();
        std::thread::scope(|scope| {
            for number in 1..threads {
                let thread = std::thread::Builder::new().name(format!("coupon-scan-{number}"));
                // With fewer threads it takes longer, that is all.
                let _ = thread.spawn_scoped(scope, || self.work(&scheduler, &changed));
            }
            self.work(&scheduler, &changed);
        });
        let scheduler = scheduler.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (read, range) = scheduler.end()?;
        *files = read;
        Ok(range)
    }

    fn work(&self, scheduler: &Mutex<Scheduler>, changed: &Condvar) {
        let mut text = vec![0; self.reading.plan.text_buffer];
        let mut last = None;
        let mut guard = lock(scheduler);
        loop {
            let work;
            (guard, work) = self.next(guard, changed, last);
            let Some(work) = work else { break };
            drop(guard);
            let (number, file, state) = match work {
                Work::Read(number, mut file) => {
                    let state = file.read(&self.reading, &mut text).map(|more| match more {
                        true => Some(FileState::Idle),
                        false => Some(FileState::Done),
                    });
                    (number, file, state)
                }
                Work::Spill(number, mut file, kind) => {
                    let (layout, group) = (self.layouts.of(kind), file.groups.of_mut(kind));
                    self.disk
                        .write(&mut group.store, layout.partitions, self.reading.arena);
                    (number, file, Ok(None))
                }
            };
            last = Some(number);
            guard = lock(scheduler);
            guard.put(number, file, state);
            changed.notify_all();
        }
        changed.notify_all();
    }

    /// Waits for work. There is none when all files are read, and after a failure.
    fn next<'y>(
        &self,
        mut scheduler: MutexGuard<'y, Scheduler>,
        changed: &Condvar,
        last: Option<usize>,
    ) -> (MutexGuard<'y, Scheduler>, Option<Work>) {
        loop {
            if self.reading.interrupt.load(Ordering::Relaxed) {
                scheduler.fail(ScanError::Interrupted);
            }
            if scheduler.has_failed() || scheduler.is_done() {
                return (scheduler, None);
            }
            if let Some((number, file, kind)) = scheduler.take_spill() {
                return (scheduler, Some(Work::Spill(number, file, kind)));
            }
            if let Some(number) = scheduler.choose(self.reading.plan, last) {
                let needed = self.reading.plan.slice_needs * (scheduler.running as u64 + 1);
                let mut enough = self.reading.arena.available() >= needed;
                if !enough && scheduler.running == 0 {
                    match self.evict(&mut scheduler) {
                        // Nothing more can be done: the next slice will have to do with what there
                        // is.
                        Ok(evicted) => enough = !evicted,
                        Err(error) => scheduler.fail(error),
                    }
                    changed.notify_all();
                    if !enough {
                        continue;
                    }
                }
                if enough {
                    let work = scheduler.take(number).map(|file| Work::Read(number, file));
                    return (scheduler, work);
                }
            }
            scheduler = changed.wait(scheduler).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn lock(scheduler: &Mutex<Scheduler>) -> MutexGuard<'_, Scheduler> {
    scheduler.lock().unwrap_or_else(PoisonError::into_inner)
}
