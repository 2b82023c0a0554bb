//! Generates coupon files whose valid codes are known, to try out, test and measure the scanner.

mod code_space;
mod corpus;
mod gzip;
mod mixed;
mod published;

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::ScopedJoinHandle;

use serde_json::json;
use tempfile::NamedTempFile;

use corpus::{Corpus, Expected, FileShape};

/// The valid codes, one a line, sorted: the output of a scan.
const VALID: &str = "valid.txt";
/// The counts of a scan; written last, so that a folder that has it is complete.
const EXPECTED: &str = "expected.json";

/// Lines that are generated, compressed and written at once.
const PIECE_LINES: u64 = 200_000;

/// Least and most of [`CorpusOptions::scale`].
pub const SCALES: std::ops::RangeInclusive<f64> = 0.0..=10.0;

/// The kind of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As it was published: 313,087,705 lines in three files of one gzip member, one length each,
    /// eight valid codes.
    Published,
    /// 300,000,000 lines in three files of many gzip members, all lengths in each, five million
    /// valid codes, odd lines.
    Mixed,
}

/// The corpus that [`generate`] writes, and how.
#[derive(Clone, Debug)]
pub struct CorpusOptions {
    /// The kind of the corpus.
    pub shape: Shape,
    /// Multiple of the full scale; within [`SCALES`]. No file has fewer than some hundred lines.
    pub scale: f64,
    /// Decides the codes: the same shape, scale and seed make the same bytes.
    pub seed: u64,
    /// Output folder; created if it is missing.
    pub folder: PathBuf,
    /// Threads that compress, each a file.
    pub threads: NonZero<usize>,
    /// Set from another thread, it ends the work within a second; no half-written file is left.
    pub interrupt: Arc<AtomicBool>,
}

/// The reason why a corpus was not written.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// [`CorpusOptions::interrupt`] was set.
    #[error("stopped by a signal")]
    Interrupted,
    /// The file or the folder cannot be written.
    #[error("write {}", path.display())]
    Write {
        /// The file or the folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
}

/// Writes the files of a corpus, `valid.txt` with its valid codes and `expected.json` with the
/// counts of a scan of all of its files; returns their paths.
///
/// # Errors
/// [`CorpusError`]; then no new file is in the folder.
pub fn generate(options: &CorpusOptions) -> Result<Vec<PathBuf>, CorpusError> {
    let corpus: Box<dyn Corpus> = match options.shape {
        Shape::Published => Box::new(published::Published::new(options.scale, options.seed)),
        Shape::Mixed => Box::new(mixed::Mixed::new(options.scale, options.seed)),
    };
    let corpus = corpus.as_ref();
    let folder = &options.folder;
    fs::create_dir_all(folder).map_err(error(folder))?;
    let expected_path = folder.join(EXPECTED);
    match fs::remove_file(&expected_path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(error(&expected_path)(cause)),
        _ => (),
    }
    let (mut new, mut text_bytes) = (Vec::new(), 0);
    let files: Vec<(usize, FileShape)> = corpus.files().into_iter().enumerate().collect();
    for files in files.chunks(options.threads.get()) {
        let written: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = files
                .iter()
                .map(|(number, shape)| scope.spawn(move || write_file(options, corpus, *number, shape)))
                .collect();
            threads.into_iter().map(ScopedJoinHandle::join).collect()
        });
        for written in written {
            let (file, bytes) = written.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            new.push(file);
            text_bytes += bytes;
        }
    }
    let expected = corpus.expected();
    new.push(write_new(folder, VALID, |file| {
        expected.codes().try_for_each(|code| writeln!(file, "{code}"))
    })?);
    let description = description(options, corpus, &expected, text_bytes);
    new.push(write_new(folder, EXPECTED, |file| {
        file.write_all(description.as_bytes())
    })?);
    let appear = |(path, file): NewFile| match file.persist(&path) {
        Ok(_) => Ok(path),
        Err(failed) => Err(error(&path)(failed.error)),
    };
    new.into_iter().map(appear).collect()
}

/// A file without its final name, on disk; it is removed when it is dropped.
type NewFile = (PathBuf, NamedTempFile);

fn write_new(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<NewFile, CorpusError> {
    let path = folder.join(name);
    let write = || -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        // Less the umask, as any new file.
        builder.permissions(Permissions::from_mode(0o666));
        let mut out = BufWriter::new(builder.tempfile_in(folder)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    let file = write().map_err(error(&path))?;
    Ok((path, file))
}

/// Also returns the bytes of text.
fn write_file(
    options: &CorpusOptions,
    corpus: &dyn Corpus,
    number: usize,
    shape: &FileShape,
) -> Result<(NewFile, u64), CorpusError> {
    // Several members also where the file is small.
    let lines = PIECE_LINES.min(shape.lines.div_ceil(4));
    let plan = gzip::Plan {
        pieces: shape.lines.div_ceil(lines),
        one_member: shape.one_member,
        interrupt: &options.interrupt,
    };
    let mut text_bytes = 0;
    let file = write_new(&options.folder, &shape.name, |file| {
        text_bytes = gzip::write(file, &plan, |piece, text| {
            let first = piece * lines;
            corpus.write(number, first..(first + lines).min(shape.lines), text);
        })?;
        Ok(())
    })?;
    Ok((file, text_bytes))
}

fn description(options: &CorpusOptions, corpus: &dyn Corpus, expected: &Expected, text_bytes: u64) -> String {
    let files: Vec<String> = corpus.files().into_iter().map(|file| file.name).collect();
    let description = json!({
        "shape": match options.shape {
            Shape::Published => "published",
            Shape::Mixed => "mixed",
        },
        "scale": options.scale,
        "seed": options.seed,
        "files": files,
        "min_files": 2,
        "lines": expected.lines,
        "in_range": expected.in_range,
        "distinct": expected.distinct,
        "repeats": expected.repeats,
        "valid": expected.valid.len(),
        "text_bytes": text_bytes,
    });
    format!("{description:#}\n")
}

fn error(path: &Path) -> impl FnOnce(io::Error) -> CorpusError {
    move |cause| match cause.kind() {
        io::ErrorKind::Interrupted => CorpusError::Interrupted,
        _ => CorpusError::Write {
            path: path.to_owned(),
            cause,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_bytes_whatever_the_threads() {
        for shape in [Shape::Published, Shape::Mixed] {
            let folder = tempfile::tempdir().unwrap();
            let corpus = |name: &str, seed, threads| {
                let options = CorpusOptions {
                    shape,
                    scale: 0.000_02,
                    seed,
                    folder: folder.path().join(name),
                    threads: NonZero::new(threads).unwrap(),
                    interrupt: Arc::default(),
                };
                let paths = generate(&options).unwrap();
                assert_eq!(paths.len(), folder.path().join(name).read_dir().unwrap().count());
                paths
                    .iter()
                    .map(|path| fs::read(path).unwrap())
                    .collect::<Vec<_>>()
            };

            let first = corpus("a", 1, 1);
            assert_eq!(corpus("b", 1, 3), first);
            assert_ne!(corpus("b", 2, 3), first);
        }
    }

    #[test]
    fn an_interrupted_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let options = CorpusOptions {
            shape: Shape::Mixed,
            scale: 0.000_1,
            seed: 1,
            folder: folder.path().to_owned(),
            threads: NonZero::<usize>::MIN,
            interrupt: Arc::new(AtomicBool::new(true)),
        };

        let result = generate(&options);

        assert!(matches!(result, Err(CorpusError::Interrupted)), "{result:?}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}
