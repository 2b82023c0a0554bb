//! One file of a scan: its reader, its codes and its report.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::kind::{ByKind, Kind};
use crate::lines::{Sink, Splitter};
use crate::memory::{Arena, Plan};
use crate::permutation::Seed;
use crate::source::{Identity, Stream, StreamOptions};
use crate::store::{CodeLayout, PackedBatch, PartitionFilter, Store, TextBatch};
use crate::{FileReport, Input, ScanError};

/// The state of one file of a scan.
pub(crate) struct ScannedFile {
    pub(crate) input: Input,
    /// Bytes, if that is known.
    pub(crate) size: Option<u64>,
    /// It can be read a second time.
    pub(crate) repeatable: bool,
    stream: Option<Stream>,
    splitter: Splitter,
    packed: [PackedBatch; 3],
    text: TextBatch,
    pub(crate) groups: ByKind<Group>,
    /// After the first reading.
    pub(crate) report: Option<FileReport>,
    identity: Identity,
    /// Memory that its decompressor takes at present, bytes.
    pub(crate) window: u64,
}

/// The codes of one kind in one file.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) store: Store,
    /// Codes that were met, repeats included.
    pub(crate) met: u64,
    /// Which of them are kept.
    pub(crate) filter: PartitionFilter,
    /// Its codes are not kept, because no other file had shown any by then.
    pub(crate) dropped: bool,
}

impl ScannedFile {
    pub(crate) fn new(
        input: &Input,
        layouts: &ByKind<CodeLayout>,
        seed: &Seed,
        arena: &Arena,
    ) -> ScannedFile {
        let ByKind([eight, nine, ten, other]) = *layouts;
        let (size, repeatable) = input.size();
        ScannedFile {
            input: input.clone(),
            size,
            repeatable,
            stream: None,
            splitter: Splitter::default(),
            packed: [eight, nine, ten].map(|layout| PackedBatch::new(layout, arena)),
            text: TextBatch::new(other, seed, arena),
            groups: ByKind::default(),
            report: None,
            identity: Identity::default(),
            window: 0,
        }
    }

    /// Forgets the codes of a kind; those that wait as well.
    pub(crate) fn clear(&mut self, kind: Kind, arena: &Arena) {
        let [eight, nine, ten] = &mut self.packed;
        match kind {
            Kind::Eight => eight.clear(),
            Kind::Nine => nine.clear(),
            Kind::Ten => ten.clear(),
            Kind::Other => self.text.clear(),
        }
        self.groups.of_mut(kind).store.clear(arena);
    }

    /// Fraction that has been read: 0 to 1; `None` if the size is unknown.
    pub(crate) fn fraction(&self) -> Option<f64> {
        let size = self.size.filter(|size| *size > 0)?;
        let read = match &self.stream {
            Some(stream) => stream.file_bytes(),
            None if self.report.is_some() => size,
            None => 0,
        };
        Some((read as f64 / size as f64).min(1.0))
    }

    /// Reads a slice; answers whether more follows.
    pub(crate) fn read(&mut self, context: &ReadContext<'_>, text: &mut [u8]) -> Result<bool, ScanError> {
        self.read_slice(context, text).map_err(|error| match error {
            // It was fine the first time.
            ScanError::Damaged { file, .. } if self.report.is_some() => ScanError::Changed { file },
            error => error,
        })
    }

    fn read_slice(&mut self, context: &ReadContext<'_>, text: &mut [u8]) -> Result<bool, ScanError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            closed => closed.insert(Stream::open(
                &self.input,
                &context.stream_options(self.report.is_none()),
            )?),
        };
        let mut sink = CodeSink {
            packed: &mut self.packed,
            text: &mut self.text,
            groups: &mut self.groups,
            arena: context.arena,
        };
        let mut slice = 0;
        while slice < context.plan.slice {
            if context.interrupt.load(Ordering::Relaxed) {
                return Err(ScanError::Interrupted);
            }
            let read = stream.read(text)?;
            if read == 0 {
                self.end(context)?;
                return Ok(false);
            }
            if !context.discard {
                let piece = text.get(..read).unwrap_or_default();
                self.splitter.push(piece, &mut sink);
            }
            slice += read;
        }
        let window = stream.window();
        context.arena.charge(window - self.window);
        self.window = window;
        Ok(true)
    }

    fn end(&mut self, context: &ReadContext<'_>) -> Result<(), ScanError> {
        let mut sink = CodeSink {
            packed: &mut self.packed,
            text: &mut self.text,
            groups: &mut self.groups,
            arena: context.arena,
        };
        let text = self.splitter.finish(&mut sink);
        text.map_err(|reason| ScanError::Damaged {
            file: self.input.name(),
            offset: 0,
            reason,
        })?;
        let splitter = std::mem::take(&mut self.splitter);
        let ByKind([packed @ .., other]) = &mut self.groups;
        for (batch, group) in self.packed.iter_mut().zip(packed) {
            batch.finish(&mut group.store, context.arena, &group.filter);
        }
        self.text.finish(&mut other.store, context.arena);

        context.arena.discharge(std::mem::take(&mut self.window));
        let Some(mut stream) = self.stream.take() else {
            return Ok(());
        };
        let identity = stream.identity();
        if self.report.is_some() {
            return match identity == self.identity {
                true => Ok(()),
                false => Err(ScanError::Changed {
                    file: self.input.name(),
                }),
            };
        }
        self.identity = identity;
        self.report = Some(FileReport {
            name: self.input.name(),
            lines: splitter.lines,
            in_range: self.groups.iter().map(|group| group.met).sum(),
            not_utf8: splitter.not_utf8,
            file_bytes: identity.file_bytes,
            text_bytes: identity.text_bytes,
            sha256: stream.sha256(),
        });
        Ok(())
    }
}

/// The context of a read.
pub(crate) struct ReadContext<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) arena: &'a Arena,
    pub(crate) stream_options: &'a StreamOptions,
    pub(crate) interrupt: &'a AtomicBool,
    /// The text is thrown away.
    pub(crate) discard: bool,
}

impl ReadContext<'_> {
    fn stream_options(&self, first: bool) -> StreamOptions {
        StreamOptions {
            sha256: self.stream_options.sha256 && first,
            ..self.stream_options.clone()
        }
    }
}

/// Puts codes where they belong.
struct CodeSink<'a> {
    packed: &'a mut [PackedBatch; 3],
    text: &'a mut TextBatch,
    groups: &'a mut ByKind<Group>,
    arena: &'a Arena,
}

impl Sink for CodeSink<'_> {
    #[inline]
    fn packed(&mut self, kind: Kind, code: impl FnOnce() -> u64) {
        let [eight, nine, ten] = &mut *self.packed;
        let batch = match kind {
            Kind::Eight => eight,
            Kind::Nine => nine,
            Kind::Ten | Kind::Other => ten,
        };
        let group = self.groups.of_mut(kind);
        group.met += 1;
        if !matches!(group.filter, PartitionFilter::Nothing) && batch.push(code()) {
            batch.scramble(&mut group.store, self.arena, &group.filter);
        }
    }

    fn other(&mut self, code: &[u8]) {
        let group = self.groups.of_mut(Kind::Other);
        group.met += 1;
        self.text.push(code, &mut group.store, self.arena, &group.filter);
    }
}
