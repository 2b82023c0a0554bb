//! The scheduler: decides which file a thread reads next.

use super::{PartitionRange, ScannedFile};
use crate::ScanError;
use crate::kind::Kind;
use crate::memory::Plan;

/// A thread continues with its last file while that is at most this fraction ahead of the
/// least-read one: the state is in its cache.
const MAX_LEAD: f64 = 1.0 / 64.0;

/// The files of a pass, the state of each, and what remains to be done.
pub(super) struct Scheduler {
    slots: Vec<Slot>,
    /// Codes that must be written to disk.
    spills: Vec<(usize, Kind)>,
    /// Threads that have a file.
    pub(super) running: usize,
    /// Partitions that are kept.
    pub(super) range: PartitionRange,
    failure: Option<ScanError>,
}

struct Slot {
    /// `None` while a thread reads it.
    file: Option<Box<ScannedFile>>,
    state: FileState,
    /// Window of its decompressor, bytes.
    window: u64,
}

/// The progress of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// Not opened yet.
    Unopened,
    /// Between two slices.
    Idle,
    /// Read to its end, or not to be read.
    Done,
}

impl Scheduler {
    pub(super) fn new(files: Vec<Box<ScannedFile>>, numbers: &[usize], range: PartitionRange) -> Scheduler {
        let slots = files.into_iter().enumerate().map(|(number, file)| Slot {
            file: Some(file),
            state: match numbers.contains(&number) {
                true => FileState::Unopened,
                false => FileState::Done,
            },
            window: 0,
        });
        Scheduler {
            slots: slots.collect(),
            spills: Vec::new(),
            running: 0,
            range,
            failure: None,
        }
    }

    /// The files, in their order, and what was kept.
    pub(super) fn end(self) -> Result<(Vec<Box<ScannedFile>>, PartitionRange), ScanError> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok((
                self.slots.into_iter().filter_map(|slot| slot.file).collect(),
                self.range,
            )),
        }
    }

    /// Only the first failure counts: others may follow from it.
    pub(super) fn fail(&mut self, failure: ScanError) {
        self.failure.get_or_insert(failure);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(super) fn is_done(&self) -> bool {
        self.running == 0
            && self.spills.is_empty()
            && self.slots.iter().all(|slot| slot.state == FileState::Done)
    }

    /// The file to read next: the one of which the least was read, or the thread's last one.
    pub(super) fn choose(&self, plan: &Plan, last: Option<usize>) -> Option<usize> {
        let opened = self.slots.iter().filter(|slot| slot.state == FileState::Idle);
        let windows: u64 = opened.clone().map(|slot| slot.window).sum();
        let may_open = opened.count() < plan.active && windows <= plan.windows;
        let known: Vec<f64> = self.files().filter_map(|(_, file)| file.fraction()).collect();
        // A file of unknown size goes with the others.
        let average = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let choices = self.slots.iter().enumerate().filter_map(|(number, slot)| {
            let file = slot.file.as_ref()?;
            match slot.state {
                FileState::Idle => Some((number, file.fraction().unwrap_or(average), 0)),
                FileState::Unopened if may_open => Some((number, 0.0, file.size.unwrap_or(u64::MAX))),
                FileState::Unopened | FileState::Done => None,
            }
        });
        let choices: Vec<(usize, f64, u64)> = choices.collect();
        let (number, least, _) = choices
            .iter()
            .copied()
            .min_by(|one, other| one.1.total_cmp(&other.1).then(other.2.cmp(&one.2)))?;
        let goes_on = choices
            .iter()
            .any(|(number, fraction, _)| Some(*number) == last && *fraction <= least + MAX_LEAD);
        match last {
            Some(last) if goes_on => Some(last),
            _ => Some(number),
        }
    }

    pub(super) fn take(&mut self, number: usize) -> Option<Box<ScannedFile>> {
        let slot = self.slots.get_mut(number)?;
        let file = slot.file.take()?;
        if slot.state == FileState::Unopened {
            slot.state = FileState::Idle;
        }
        self.running += 1;
        Some(file)
    }

    /// Returns a taken file; without a state the old one stays.
    pub(super) fn put(
        &mut self,
        number: usize,
        file: Box<ScannedFile>,
        state: Result<Option<FileState>, ScanError>,
    ) {
        self.running -= 1;
        let state = state.unwrap_or_else(|error| {
            self.fail(error);
            None
        });
        if let Some(slot) = self.slots.get_mut(number) {
            slot.window = file.window;
            slot.file = Some(file);
            slot.state = state.unwrap_or(slot.state);
        }
    }

    pub(super) fn spill(&mut self, number: usize, kind: Kind) {
        self.spills.push((number, kind));
    }

    /// Codes to write to disk, if no thread reads the file.
    pub(super) fn take_spill(&mut self) -> Option<(usize, Box<ScannedFile>, Kind)> {
        let is_here = |number: usize| self.slots.get(number).is_some_and(|slot| slot.file.is_some());
        let at = self.spills.iter().position(|(number, _)| is_here(*number))?;
        let (number, kind) = self.spills.swap_remove(at);
        let slot = self.slots.get_mut(number)?;
        let file = slot.file.take()?;
        self.running += 1;
        Some((number, file, kind))
    }

    /// The files that no thread reads at present.
    pub(super) fn files(&self) -> impl Iterator<Item = (usize, &ScannedFile)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(number, slot)| Some((number, slot.file.as_deref()?)))
    }

    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = (usize, &mut ScannedFile)> {
        let slots = self.slots.iter_mut().enumerate();
        slots.filter_map(|(number, slot)| Some((number, slot.file.as_deref_mut()?)))
    }
}
