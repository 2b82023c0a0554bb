//! `make bench-coupons`: what a scan takes beside decompressing alone, on corpora of the published
//! and of the mixed shape.
//!
//! Everything runs in turn, round by round, as processes of their own whose peak memory the kernel
//! tells.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures"
)]

mod corpora;
mod measure;
mod report;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use coupon_scan::{Input, Options};

use corpora::Corpus;
use measure::measure;
use report::{Report, Row};

/// The scanner as it is shipped.
const SCANNER: &str = env!("CARGO_BIN_EXE_database-load");

/// Measures `database-load coupons scan` against decompressing alone.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    inner: Option<Inner>,
    /// Size of the corpora; 1.0 is the published one.
    #[arg(long, default_value = "1.0")]
    scale: f64,
    /// How often everything is run; the medians are reported.
    #[arg(long, default_value = "3")]
    rounds: usize,
    /// What is measured.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "targets,scales,threads"
    )]
    parts: Vec<Part>,
    /// Folder of the corpora, which are made once.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench/coupons"))]
    folder: PathBuf,
    /// Folder of the figures: coupon-corpus.md and coupon-corpus.json.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench"))]
    out: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Both shapes against the targets.
    Targets,
    /// A hundredth and a tenth of the scale too.
    Scales,
    /// One thread and two.
    Threads,
}

/// What the benchmark runs itself for.
#[derive(Debug, Subcommand)]
enum Inner {
    /// Decompress files and throw the text away.
    #[command(hide = true)]
    Discard {
        #[arg(long)]
        threads: Option<std::num::NonZero<usize>>,
        files: Vec<PathBuf>,
    },
    /// Run a command and print what it took.
    #[command(hide = true)]
    Measure {
        #[arg(long)]
        stdout: PathBuf,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match &cli.inner {
        Some(Inner::Discard { threads, files }) => {
            let inputs: Vec<Input> = files.iter().map(Input::file).collect();
            let mut options = Options::default();
            options.threads = threads.unwrap_or(options.threads);
            println!("{}", coupon_scan::discard(&inputs, &options)?);
            Ok(())
        }
        Some(Inner::Measure { stdout, command }) => measure::run(stdout, command),
        None => bench(&cli),
    }
}

fn bench(cli: &Cli) -> anyhow::Result<()> {
    let mut report = Report::new(cli.scale, cli.rounds);
    let full = Subject::both(&cli.folder, cli.scale)?;
    if cli.parts.contains(&Part::Targets) {
        let rows = targets(&full);
        report.targets = measured(cli, &full, rows)?;
    }
    if cli.parts.contains(&Part::Scales) {
        let mut subjects = Vec::new();
        for part in [0.01, 0.1] {
            subjects.extend(Subject::both(&cli.folder, cli.scale * part)?);
        }
        subjects.extend(full.iter().cloned());
        let rows = subjects.iter().flat_map(|subject| {
            let scan = subject.scan(&format!("{} × {}", subject.shape, subject.scale), &[]);
            [subject.floor(None), scan]
        });
        report.scales = measured(cli, &subjects, rows.collect())?;
    }
    if cli.parts.contains(&Part::Threads) {
        let rows = full.iter().flat_map(|subject| {
            ["1", "2"].into_iter().flat_map(|threads| {
                let what = format!("{}, threads: {threads}", subject.shape);
                [
                    subject.floor(Some(threads)),
                    subject.scan(&what, &["--threads", threads]),
                ]
            })
        });
        report.threads = measured(cli, &full, rows.collect())?;
    }
    let text = report.to_string();
    print!("{text}");
    std::fs::create_dir_all(&cli.out)?;
    for (name, content) in [("coupon-corpus.md", text), ("coupon-corpus.json", report.json())] {
        let path = cli.out.join(name);
        std::fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        eprintln!("written: {}", path.display());
    }
    Ok(())
}

/// The rows of the table of targets: shape, wall time as a multiple of the floor, peak memory in
/// MiB.
fn targets(subjects: &[Subject]) -> Vec<Row> {
    let mut rows = Vec::new();
    for subject in subjects {
        rows.push(subject.floor(None));
        rows.push(subject.gzip());
        if subject.shape == "published" {
            rows.push(subject.scan("published, default memory", &[]).target(1.25, 512));
            let small = subject.scan("published, --memory 96M", &["--memory", "96M"]);
            rows.push(small.target(1.4, 160));
        } else {
            rows.push(subject.scan("mixed, default memory", &[]).target(2.0, 600));
        }
    }
    rows
}

/// Runs all rows in turn, round by round, after every file was read once.
fn measured(cli: &Cli, subjects: &[Subject], mut rows: Vec<Row>) -> anyhow::Result<Vec<Row>> {
    for subject in subjects {
        subject.corpus.warm()?;
    }
    let out = cli.folder.join("out");
    for round in 1..=cli.rounds {
        for row in &mut rows {
            let figures = measure(&row.command, &out).with_context(|| row.what.clone())?;
            if let Some(valid) = &row.valid {
                anyhow::ensure!(
                    same(&out, valid)?,
                    "{}: the codes are not those of the corpus",
                    row.what
                );
            }
            eprintln!("round {round}: {:<40} {:7.2} s", row.what, figures.wall_s);
            row.figures.push(figures);
        }
    }
    Ok(rows)
}

fn same(one: &Path, other: &Path) -> anyhow::Result<bool> {
    Ok(std::fs::read(one)? == std::fs::read(other)?)
}

/// A corpus and what is measured on it.
#[derive(Clone, Debug)]
struct Subject {
    shape: &'static str,
    scale: f64,
    corpus: Corpus,
}

impl Subject {
    fn both(folder: &Path, scale: f64) -> anyhow::Result<Vec<Subject>> {
        let subject = |shape| {
            Ok(Subject {
                shape,
                scale,
                corpus: Corpus::of(folder, shape, scale)?,
            })
        };
        ["published", "mixed"].into_iter().map(subject).collect()
    }

    fn row(&self, what: String, command: Vec<OsString>) -> Row {
        Row::new(what, self.corpus.text_bytes, command)
    }

    /// The time that no scan can beat; the rows that follow are compared with it.
    fn floor(&self, threads: Option<&str>) -> Row {
        let program = std::env::current_exe().unwrap_or_default().into_os_string();
        let mut command = vec![program, "discard".into()];
        command.extend(
            threads
                .iter()
                .flat_map(|threads| ["--threads".into(), threads.into()]),
        );
        command.extend(self.corpus.files());
        self.row(format!("{}: decompress and discard", self.shape), command)
            .floor()
    }

    fn gzip(&self) -> Row {
        let script = "for file do gzip -dc \"$file\" >/dev/null & done; wait";
        let mut command: Vec<OsString> = ["sh", "-c", script, "sh"].map(Into::into).into();
        command.extend(self.corpus.files());
        self.row(format!("{}: gzip -dc of all in parallel", self.shape), command)
    }

    fn scan(&self, what: &str, options: &[&str]) -> Row {
        let mut command: Vec<OsString> = [SCANNER, "coupons", "scan"].map(Into::into).into();
        command.extend(options.iter().map(Into::into));
        command.extend(self.corpus.files());
        let mut row = self.row(what.to_owned(), command);
        row.valid = Some(self.corpus.valid());
        row
    }
}
