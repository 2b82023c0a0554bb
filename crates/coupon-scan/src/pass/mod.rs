//! Reading the files, on several threads, within the memory.

mod file;
mod relief;
mod yard;

use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use file::{Group, Reading, ScannedFile};
pub(crate) use relief::{Units, partitions};
use yard::{Place, Yard};

use crate::ScanError;
use crate::kind::{ByKind, Kind};
use crate::store::{Disk, Shape};

/// One reading of some files.
///
/// Threads take files in turn and read a slice of one of those of which the least was read: so all files end together,
/// whatever the number of threads, and what they hold is seen early. When the arena gets full the readers stop between
/// slices, and the last one decides what has to go: see [`relief`].
pub(crate) struct Pass<'a> {
    pub(crate) reading: Reading<'a>,
    pub(crate) disk: &'a Disk,
    pub(crate) shapes: &'a ByKind<Shape>,
    /// Groups of which one file alone had codes may be dropped.
    pub(crate) may_drop: bool,
}

/// What a thread does next, with which file.
enum Work {
    Read(usize, Box<ScannedFile>),
    Spill(usize, Box<ScannedFile>, Kind),
}

impl Pass<'_> {
    /// Reads the files with these numbers and keeps codes of `units`, or of fewer if there is no room for all: answers
    /// which.
    pub(crate) fn run(
        &self,
        files: &mut Vec<Box<ScannedFile>>,
        numbers: &[usize],
        units: Units,
    ) -> Result<Units, ScanError> {
        let threads = self.reading.plan.threads.min(numbers.len());
        let yard = Mutex::new(Yard::new(std::mem::take(files), numbers, units));
        let changed = Condvar::new();
        std::thread::scope(|scope| {
            for number in 1..threads {
                let thread = std::thread::Builder::new().name(format!("coupon-scan-{number}"));
                // With fewer threads it takes longer, that is all.
                let _ = thread.spawn_scoped(scope, || self.work(&yard, &changed));
            }
            self.work(&yard, &changed);
        });
        let yard = yard.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (read, units) = yard.end()?;
        *files = read;
        Ok(units)
    }

    fn work(&self, yard: &Mutex<Yard>, changed: &Condvar) {
        let mut text = vec![0; self.reading.plan.text_buffer];
        let mut last = None;
        let mut state = lock(yard);
        loop {
            let work;
            (state, work) = self.next(state, changed, last);
            let Some(work) = work else { break };
            drop(state);
            let (number, file, place) = match work {
                Work::Read(number, mut file) => {
                    let place = file.read(&self.reading, &mut text).map(|more| match more {
                        true => Some(Place::Parked),
                        false => Some(Place::Done),
                    });
                    (number, file, place)
                }
                Work::Spill(number, mut file, kind) => {
                    let (shape, group) = (self.shapes.of(kind), file.groups.of_mut(kind));
                    self.disk
                        .write(&mut group.store, shape.partitions, self.reading.arena);
                    (number, file, Ok(None))
                }
            };
            last = Some(number);
            state = lock(yard);
            state.put(number, file, place);
            changed.notify_all();
        }
        changed.notify_all();
    }

    /// Waits for work. There is none when all files are read, and after a failure.
    fn next<'y>(
        &self,
        mut yard: MutexGuard<'y, Yard>,
        changed: &Condvar,
        last: Option<usize>,
    ) -> (MutexGuard<'y, Yard>, Option<Work>) {
        loop {
            if self.reading.interrupt.load(Ordering::Relaxed) {
                yard.fail(ScanError::Interrupted);
            }
            if yard.has_failed() || yard.is_done() {
                return (yard, None);
            }
            if let Some((number, file, kind)) = yard.take_spill() {
                return (yard, Some(Work::Spill(number, file, kind)));
            }
            if let Some(number) = yard.choose(self.reading.plan, last) {
                let needed = self.reading.plan.slice_needs * (yard.running() as u64 + 1);
                let mut enough = self.reading.arena.available() >= needed;
                if !enough && yard.running() == 0 {
                    match self.relieve(&mut yard) {
                        // Nothing more can be done: the next slice will have to do with what there is.
                        Ok(relieved) => enough = !relieved,
                        Err(error) => yard.fail(error),
                    }
                    changed.notify_all();
                    if !enough {
                        continue;
                    }
                }
                if enough {
                    let work = yard.take(number).map(|file| Work::Read(number, file));
                    return (yard, work);
                }
            }
            yard = changed.wait(yard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn lock(yard: &Mutex<Yard>) -> MutexGuard<'_, Yard> {
    yard.lock().unwrap_or_else(PoisonError::into_inner)
}
