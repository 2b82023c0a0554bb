//! The command `coupons`: its arguments, and its run until the end or a signal.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use coupon_corpus::{CorpusError, CorpusOptions, SCALES, Shape, generate};
use process::failure::{ExitCode, Failure, OrExit as _};
use process::report::ProcessOutcome;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Memory;
use super::atomic_file::AtomicFile;
use super::meter::Meter;
use super::output;
use super::scan::{Form, Scan, scan};

/// Time that interrupted work has to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// As [`STOP_TIMEOUT`], for work that may wait for a disk.
const STOP_TIMEOUT_WITH_DISKS: Duration = Duration::from_secs(20);

const SCAN_HELP: &str = "\
Example: database-load coupons scan --stats codes1.gz codes2.gz codes3.gz >valid.txt

With --json, standard output is one JSON value: what stood in the files, what the scan cost and, unless --out takes them,
the codes. --config and the timeouts have no effect.

Exit status; unless it is 0, nothing was printed and --out is as it was:
  0 done                            10 a file is damaged: its name and the byte are said
  2 wrong usage                    143 stopped by a signal
  6 a file, a folder or the disk failed";

/// What can be done with coupon files without a database.
#[derive(Debug, Subcommand)]
pub enum Coupons {
    /// Print the codes that stand in at least two of the files, sorted, one a line.
    ///
    /// A code is a line of 8 to 10 characters, without the blanks, tabs and carriage returns at its
    /// ends; case matters. Files are plain text, gzip or zstd, told apart by content.
    #[command(after_help = SCAN_HELP)]
    Scan(ScanArguments),
    /// Make a corpus whose valid codes are known.
    ///
    /// Writes three gzip files, valid.txt with the codes that a scan of them finds, and
    /// expected.json with what it counts.
    #[command(
        after_help = "Example: database-load coupons generate --shape published --scale 0.01 --out /tmp/corpus"
    )]
    Generate(GenerateArguments),
}

/// The command line of `coupons scan`.
#[derive(Debug, Args)]
pub struct ScanArguments {
    /// Files to scan, 2 to 64; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// In how many of the files a valid code stands at least.
    #[arg(long, value_name = "N", default_value = "2")]
    min_files: usize,
    /// Write the codes to this file, which appears when it is complete, instead of to standard
    /// output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Say on standard error what stood in the files and what the scan cost; with --json as one
    /// line of JSON.
    ///
    /// Different and repeated codes are then counted, which takes more time and room than finding
    /// the valid ones.
    #[arg(long)]
    stats: bool,
    /// Working memory: bytes, or a number with K, M or G; at least 64M. Less is used where the
    /// control group allows less.
    #[arg(long, value_name = "SIZE", default_value = "448M")]
    memory: Memory,
    /// Threads that work at once [default: one for each core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Folder for what does not fit in memory [default: the system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
}

/// The command line of `coupons generate`.
#[derive(Debug, Args)]
pub struct GenerateArguments {
    /// What the corpus is like.
    #[arg(long, value_enum)]
    shape: ShapeName,
    /// Multiple of the full scale, which has some 300 million lines; up to 10.
    #[arg(long, default_value = "1.0", value_parser = scale)]
    scale: f64,
    /// Folder to write to; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The same shape, scale and seed make the same bytes.
    #[arg(long, default_value = "1")]
    seed: u64,
    /// Threads that compress, each a file [default: one for each core].
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShapeName {
    /// One length of code a file, eight valid codes, 313,087,705 lines: the corpus as it was
    /// published.
    Published,
    /// All lengths in every file, five million valid codes, odd lines, 300,000,000 lines.
    Mixed,
}

fn scale(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|scale| SCALES.contains(scale));
    number.ok_or_else(|| format!("a number from {} to {} is expected", SCALES.start(), SCALES.end()))
}

/// Runs the command until it ends or `cancel` is cancelled; `json` asks for an answer in JSON.
/// Blocks.
///
/// # Errors
/// [`Failure`] with the exit code of the process; nothing is left behind.
pub fn execute(command: Coupons, json: bool, cancel: &CancellationToken) -> Result<ProcessOutcome, Failure> {
    let interrupt = Arc::new(AtomicBool::new(false));
    match command {
        Coupons::Scan(arguments) => execute_scan(arguments, json, cancel, &interrupt)?,
        Coupons::Generate(arguments) => {
            let options = CorpusOptions {
                shape: match arguments.shape {
                    ShapeName::Published => Shape::Published,
                    ShapeName::Mixed => Shape::Mixed,
                },
                scale: arguments.scale,
                seed: arguments.seed,
                folder: arguments.out,
                threads: threads(arguments.threads),
                interrupt: Arc::clone(&interrupt),
            };
            let paths = until(cancel, &interrupt, STOP_TIMEOUT_WITH_DISKS, move || {
                generate(&options).map_err(corpus_failure)
            })?;
            let paths = paths.iter().map(|path| path.display().to_string());
            let text: String = if json {
                format!("{:#}\n", json!({"files": paths.collect::<Vec<_>>()}))
            } else {
                paths.map(|path| path + "\n").collect()
            };
            output::print(text.as_bytes())?;
        }
    }
    Ok(ExitCode::Done.into())
}

/// A failed `coupons generate`, with its exit code.
fn corpus_failure(error: CorpusError) -> Failure {
    match error {
        CorpusError::Interrupted => Failure::new(ExitCode::Terminated, error.to_string()),
        CorpusError::Write { path, cause } => {
            Failure::new(ExitCode::Input, format!("write {}", path.display())).context_from(cause)
        }
    }
}

fn execute_scan(
    arguments: ScanArguments,
    json: bool,
    cancel: &CancellationToken,
    interrupt: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let asked = Scan {
        files: arguments.files,
        form: match (json, arguments.stats) {
            (false, false) => Form::Codes,
            (false, true) => Form::CodesAndTable,
            (true, true) => Form::CodesAndFigures,
            (true, false) => Form::Json,
        },
        out: arguments.out.filter(|out| out.as_os_str() != "-"),
        options: coupon_scan::Options {
            min_files: arguments.min_files,
            memory: arguments.memory.bytes(),
            threads: threads(arguments.threads),
            temp_dir: arguments.temp_dir.unwrap_or_else(std::env::temp_dir),
            count_distinct: arguments.stats || json,
            interrupt: Arc::clone(interrupt),
            ..coupon_scan::Options::default()
        },
    };
    let out = asked.out.clone();
    let meter = Meter::start(&asked.options.progress);
    let scanned = until(cancel, interrupt, STOP_TIMEOUT, move || scan(&asked, meter));
    if let (Err(_), Some(out)) = (&scanned, &out) {
        // A thread that still waits for a disk cannot remove it.
        AtomicFile::abandon(out);
    }
    scanned
}

fn threads(asked: Option<NonZero<usize>>) -> NonZero<usize> {
    asked
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZero::<usize>::MIN)
}

/// Runs `work` on a thread of its own. A signal sets `interrupt`, and the work has `timeout` to
/// end; then the process no longer waits for it, as it may hang on a slow reader or writer.
fn until<T: Send + 'static>(
    cancel: &CancellationToken,
    interrupt: &AtomicBool,
    timeout: Duration,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .or_exit(ExitCode::Unexpected, "start the runtime")?;
    let mut work = runtime.spawn_blocking(work);
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = &mut work => Some(ended),
            () = cancel.cancelled() => {
                interrupt.store(true, Ordering::Relaxed);
                tokio::time::timeout(timeout, &mut work).await.ok()
            }
        }
    });
    runtime.shutdown_background();
    match ended {
        Some(ended) => ended.or_exit(ExitCode::Unexpected, "the work ended by a panic")?,
        None => Err(Failure::new(ExitCode::Terminated, "stopped by a signal")),
    }
}
