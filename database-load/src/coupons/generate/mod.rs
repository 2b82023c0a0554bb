//! Makes corpora whose valid codes are known: to try out, to test and to measure the scanner.

mod code_space;
mod corpus;
mod gzip;
mod mixed;
mod published;

use std::fs;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use process::failure::{ExitCode, Failure};
use serde_json::json;

use super::new_file::NewFile;
use corpus::{Corpus, Expected, FileShape};

/// The valid codes, one a line, sorted: what a scan prints.
const VALID: &str = "valid.txt";
/// What a scan counts; written last, so that a folder that has it is complete.
const EXPECTED: &str = "expected.json";

/// Lines that are made, compressed and written at once.
const PIECE_LINES: u64 = 200_000;

/// Least and most of [`Generate::scale`].
pub const SCALES: std::ops::RangeInclusive<f64> = 0.0..=10.0;

/// What a corpus is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As it was published: 313,087,705 lines in three files of one gzip member, one length each, eight valid codes.
    Published,
    /// 300,000,000 lines in three files of many gzip members, all lengths in each, five million valid codes, odd lines.
    Mixed,
}

/// What is asked of [`generate`].
#[derive(Clone, Debug)]
pub struct Generate {
    /// What the corpus is like.
    pub shape: Shape,
    /// Multiple of the full scale; within [`SCALES`]. No file has fewer than some hundred lines.
    pub scale: f64,
    /// Decides the codes: the same shape, scale and seed make the same bytes.
    pub seed: u64,
    /// Folder that is written to; made if need be.
    pub folder: PathBuf,
    /// Threads that compress.
    pub threads: NonZero<usize>,
    /// Set from another thread, it ends the work within a second; no half-written file is left.
    pub interrupt: Arc<AtomicBool>,
}

/// Writes the files of a corpus, `valid.txt` with its valid codes and `expected.json` with what a scan of all of its files
/// counts; returns their paths.
///
/// # Errors
/// `Input` when the folder cannot be written to, `Terminated` when it was interrupted.
pub fn generate(asked: &Generate) -> Result<Vec<PathBuf>, Failure> {
    let corpus: Box<dyn Corpus> = match asked.shape {
        Shape::Published => Box::new(published::Published::new(asked.scale, asked.seed)),
        Shape::Mixed => Box::new(mixed::Mixed::new(asked.scale, asked.seed)),
    };
    fs::create_dir_all(&asked.folder).map_err(failure(&asked.folder))?;
    let expected_path = asked.folder.join(EXPECTED);
    match fs::remove_file(&expected_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failure(&expected_path)(error)),
        _ => (),
    }
    let mut new = Vec::new();
    let mut text_bytes = 0;
    for (number, shape) in corpus.files().iter().enumerate() {
        let path = asked.folder.join(&shape.name);
        let mut file = NewFile::create(&path).map_err(failure(&path))?;
        text_bytes += write_file(&mut file, asked, corpus.as_ref(), number, shape).map_err(failure(&path))?;
        new.push((path, file));
    }
    let expected = corpus.expected();
    for (name, content) in [
        (VALID, codes(&expected)),
        (EXPECTED, described(asked, corpus.as_ref(), &expected, text_bytes)),
    ] {
        let path = asked.folder.join(name);
        let mut file = NewFile::create(&path).map_err(failure(&path))?;
        file.write_all(&content).map_err(failure(&path))?;
        new.push((path, file));
    }
    let mut written = Vec::with_capacity(new.len());
    for (path, file) in new {
        file.finish().map_err(failure(&path))?;
        written.push(path);
    }
    Ok(written)
}

fn write_file(
    file: &mut NewFile,
    asked: &Generate,
    corpus: &dyn Corpus,
    number: usize,
    shape: &FileShape,
) -> io::Result<u64> {
    // Several members also where the file is small.
    let lines = PIECE_LINES.min(shape.lines.div_ceil(4));
    let plan = gzip::Plan {
        pieces: shape.lines.div_ceil(lines),
        one_member: shape.one_member,
        threads: asked.threads.get(),
        interrupt: &asked.interrupt,
    };
    gzip::write(file, &plan, |piece, text| {
        let first = piece * lines;
        corpus.write(number, first..(first + lines).min(shape.lines), text);
    })
}

fn codes(expected: &Expected) -> Vec<u8> {
    let mut text = Vec::with_capacity(expected.valid.len() * 11);
    for code in expected.codes() {
        text.extend_from_slice(code.as_bytes());
        text.push(b'\n');
    }
    text
}

fn described(asked: &Generate, corpus: &dyn Corpus, expected: &Expected, text_bytes: u64) -> Vec<u8> {
    let files: Vec<String> = corpus.files().into_iter().map(|file| file.name).collect();
    let described = json!({
        "shape": match asked.shape {
            Shape::Published => "published",
            Shape::Mixed => "mixed",
        },
        "scale": asked.scale,
        "seed": asked.seed,
        "files": files,
        "min_files": 2,
        "lines": expected.lines,
        "in_range": expected.in_range,
        "distinct": expected.distinct,
        "repeats": expected.repeats,
        "valid": expected.valid.len(),
        "text_bytes": text_bytes,
    });
    format!("{described:#}\n").into_bytes()
}

fn failure(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::new(ExitCode::Terminated, "stopped by a signal"),
        _ => Failure::new(ExitCode::Input, format!("write {}", path.display())).context_from(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_bytes_whatever_the_threads() {
        let folder = std::env::temp_dir().join(format!("generate-test-{}", std::process::id()));
        for shape in [Shape::Published, Shape::Mixed] {
            let corpus = |name: &str, seed, threads| {
                let asked = Generate {
                    shape,
                    scale: 0.000_02,
                    seed,
                    folder: folder.join(name),
                    threads: NonZero::new(threads).unwrap(),
                    interrupt: Arc::default(),
                };
                let paths = generate(&asked).unwrap();
                assert_eq!(paths.len(), folder.join(name).read_dir().unwrap().count());
                paths
                    .iter()
                    .map(|path| fs::read(path).unwrap())
                    .collect::<Vec<_>>()
            };

            let first = corpus("a", 1, 1);
            assert_eq!(corpus("b", 1, 3), first);
            assert_ne!(corpus("b", 2, 3), first);
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn an_interrupted_one_leaves_nothing() {
        let folder = std::env::temp_dir().join(format!("generate-test-interrupted-{}", std::process::id()));
        let asked = Generate {
            shape: Shape::Mixed,
            scale: 0.000_1,
            seed: 1,
            folder: folder.clone(),
            threads: NonZero::<usize>::MIN,
            interrupt: Arc::new(AtomicBool::new(true)),
        };

        let failure = generate(&asked).unwrap_err();

        assert_eq!(failure.code, ExitCode::Terminated);
        assert_eq!(folder.read_dir().unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
    }
}
