//! A scan from its first pass over the files to its report.

use std::time::Instant;

use crate::codes::Codes;
use crate::join::{Join, JoinResult};
use crate::kind::{ByKind, Kind};
use crate::memory::{Arena, Plan};
use crate::pass::{PartitionRange, Pass, ReadContext, ScannedFile, partitions};
use crate::permutation::Seed;
use crate::source::StreamOptions;
use crate::store::{CodeLayout, Disk, PartitionFilter, PartitionSet};
use crate::{Counts, Input, Options, Report, ScanError, ScanStats};

/// More memory makes no thread join faster, bytes.
const MAX_JOIN: u64 = 16 << 20;

/// A scan from its first byte to its answer.
pub(crate) struct Scan<'a> {
    options: &'a Options,
    plan: Plan,
    arena: Arena,
    disk: Disk,
    seed: Seed,
    layouts: ByKind<CodeLayout>,
    stream_options: StreamOptions,
    files: Vec<Box<ScannedFile>>,
    found: Vec<JoinResult>,
    second_reads: u64,
    discard: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(inputs: &[Input], options: &'a Options) -> Scan<'a> {
        let plan = Plan::new(options, inputs.len());
        let arena = Arena::new(plan.slab, plan.arena);
        let seed = Seed::default();
        let layouts = ByKind::new(|kind| CodeLayout::new(kind, &plan, &seed));
        let files = inputs
            .iter()
            .map(|input| Box::new(ScannedFile::new(input, &layouts, &seed, &arena)))
            .collect();
        Scan {
            stream_options: StreamOptions {
                progress: options.progress.clone(),
                sha256: options.sha256,
                buffer: plan.read_buffer,
                window: plan.window,
                memory: plan.memory,
            },
            disk: Disk::new(&options.temp_dir, &options.interrupt),
            options,
            plan,
            arena,
            seed,
            layouts,
            files,
            found: Vec::new(),
            second_reads: 0,
            discard: false,
        }
    }

    /// Reads everything and keeps nothing: bytes of text.
    pub(crate) fn discard(mut self) -> Result<u64, ScanError> {
        self.discard = true;
        let every: Vec<usize> = (0..self.files.len()).collect();
        self.read(&every, 0..0, false)?;
        Ok(self.counts().text_bytes)
    }

    pub(crate) fn run(mut self) -> Result<Report, ScanError> {
        let begun = Instant::now();
        let every: Vec<usize> = (0..self.files.len()).collect();
        let all = self.plan.coarse_partitions();
        let mut range = 0..all;
        loop {
            let first = range.start == 0;
            self.prepare(&range, first);
            range = self.read(&every, range, first)?;
            range = self.read_dropped(range)?;
            self.join(&range)?;
            if range.end == all {
                break;
            }
            range = range.end..all;
        }
        Ok(self.report(begun))
    }

    /// Chooses what the next pass keeps. After the first one it is known which kinds can have valid
    /// codes at all.
    fn prepare(&mut self, range: &PartitionRange, first: bool) {
        self.disk.clear();
        for kind in Kind::ALL {
            let keeps = first || self.files_with(kind) >= self.fewest_files();
            let partitions = partitions(range, self.layouts.of(kind), &self.plan);
            for file in &mut self.files {
                file.clear(kind, &self.arena);
                let group = file.groups.of_mut(kind);
                group.dropped = false;
                group.filter = if keeps {
                    PartitionFilter::Everything
                } else {
                    PartitionFilter::Nothing
                };
                if *range != (0..self.plan.coarse_partitions()) {
                    group.filter.restrict(partitions.clone());
                }
            }
        }
    }

    fn read(
        &mut self,
        numbers: &[usize],
        range: PartitionRange,
        first: bool,
    ) -> Result<PartitionRange, ScanError> {
        for number in numbers {
            let file = self.files.get(*number);
            self.stream_options
                .progress
                .expect(file.and_then(|file| file.size).unwrap_or_default());
            let again = file.is_some_and(|file| file.report.is_some());
            self.second_reads += u64::from(again);
        }
        let mut files = std::mem::take(&mut self.files);
        let pass = Pass {
            reading: ReadContext {
                plan: &self.plan,
                arena: &self.arena,
                stream_options: &self.stream_options,
                interrupt: &self.options.interrupt,
                discard: self.discard,
            },
            disk: &self.disk,
            layouts: &self.layouts,
            may_drop: first && !self.options.count_distinct && self.options.min_files > 1,
        };
        let range = pass.run(&mut files, numbers, range);
        self.files = files;
        range
    }

    /// Reads the files again whose codes were dropped and have turned out to be needed: of their
    /// codes only those that fall in partitions in which other files have some.
    fn read_dropped(&mut self, range: PartitionRange) -> Result<PartitionRange, ScanError> {
        let mut again = Vec::new();
        for kind in Kind::ALL {
            let partitions = partitions(&range, self.layouts.of(kind), &self.plan);
            let needed = self.files_with(kind) >= self.fewest_files();
            let mut others = PartitionSet::default();
            for file in &self.files {
                others.union_with(&file.groups.of(kind).store.occupied);
            }
            for (number, file) in self.files.iter_mut().enumerate() {
                let group = file.groups.of_mut(kind);
                group.filter = PartitionFilter::Nothing;
                if group.dropped && needed {
                    group.dropped = false;
                    group.filter = PartitionFilter::These(others.clone());
                    group.filter.restrict(partitions.clone());
                    again.push(number);
                }
            }
        }
        match again.is_empty() {
            true => Ok(range),
            false => self.read(&again, range, false),
        }
    }

    fn join(&mut self, range: &PartitionRange) -> Result<(), ScanError> {
        // What the arena has left comes on top of what the readers gave back.
        self.arena.shrink();
        let left = (self.arena.available() / self.plan.threads as u64).min(MAX_JOIN);
        for kind in Kind::ALL {
            if self.files_with(kind) < self.fewest_files() {
                continue;
            }
            let join = Join {
                kind,
                layout: self.layouts.of(kind),
                seed: &self.seed,
                groups: self.files.iter().map(|file| file.groups.of(kind)).collect(),
                partitions: partitions(range, self.layouts.of(kind), &self.plan),
                min_files: self.options.min_files as u32,
                fewest_files: self.fewest_files(),
                disk: &self.disk,
                memory: self.plan.join + left as usize,
                threads: self.plan.threads,
                interrupt: &self.options.interrupt,
            };
            let found = join.run()?;
            self.found.extend(found);
        }
        Ok(())
    }

    fn report(mut self, begun: Instant) -> Report {
        let memory_peak = self.plan.memory.saturating_sub(self.plan.arena) + self.arena.most();
        let mut counts = self.counts();
        if self.options.count_distinct {
            counts.distinct = Some(self.found.iter().map(|found| found.distinct).sum());
            counts.repeats = Some(self.found.iter().map(|found| found.repeats).sum());
        }
        let files = self
            .files
            .iter_mut()
            .filter_map(|file| file.report.take())
            .collect();
        // Room for the answer.
        self.files.clear();
        self.arena.shrink();
        let codes = Codes::new(self.found, self.plan.threads);
        counts.valid = codes.len() as u64;
        Report {
            codes,
            counts,
            files,
            stats: ScanStats {
                elapsed: begun.elapsed(),
                memory: self.plan.memory,
                memory_peak,
                spilled_bytes: self.disk.written(),
                second_reads: self.second_reads,
            },
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for report in self.files.iter().filter_map(|file| file.report.as_ref()) {
            counts.lines += report.lines;
            counts.in_range += report.in_range;
            counts.not_utf8 += report.not_utf8;
            counts.file_bytes += report.file_bytes;
            counts.text_bytes += report.text_bytes;
        }
        counts
    }

    /// Number of files that have codes of a kind.
    fn files_with(&self, kind: Kind) -> usize {
        self.files
            .iter()
            .filter(|file| file.groups.of(kind).met > 0)
            .count()
    }

    /// In how many files a kind must have codes to be of interest.
    fn fewest_files(&self) -> usize {
        if self.options.count_distinct {
            1
        } else {
            self.options.min_files
        }
    }
}
