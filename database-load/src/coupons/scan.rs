//! `coupons scan`: files in, codes out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use coupon_scan::{Codes, ErrorKind, Input, Options, ScanError};
use process::failure::{ExitCode, Failure, OrExit as _};

use super::atomic_file::AtomicFile;
use super::meter::Meter;
use super::{output, stats};

/// The arguments of [`scan`].
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// `-` is standard input.
    pub(super) files: Vec<PathBuf>,
    /// Where the codes go; else to standard output.
    pub(super) out: Option<PathBuf>,
    pub(super) form: Form,
    pub(super) options: Options,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One code a line.
    Codes,
    /// The same, and a table of the figures on standard error.
    CodesAndTable,
    /// The same, and a line of JSON with the figures on standard error.
    CodesAndFigures,
    /// One JSON value with figures and codes.
    Json,
}

/// Scans the files and writes the valid codes; the meter is gone before anything is printed.
///
/// # Errors
/// `Usage`, `Input`, `InvalidData` and `Terminated`; nothing was printed, and the file asked for is
/// what it was.
pub(super) fn scan(asked: &Scan, meter: Meter) -> Result<(), Failure> {
    if asked.files.len() < 2 {
        let message = "a scan takes 2 to 64 files, not 1";
        return Err(Failure::new(ExitCode::Usage, message));
    }
    if let Some(out) = &asked.out {
        may_be_written(out, &asked.files)?;
    }
    let inputs: Vec<Input> = asked.files.iter().map(|file| input(file)).collect();
    let report = coupon_scan::scan(&inputs, &asked.options).map_err(failure)?;
    drop(meter);
    let is_stopped = || asked.options.interrupt.load(Ordering::Relaxed);
    if is_stopped() {
        return Err(failure(ScanError::Interrupted));
    }
    if let Some(out) = &asked.out {
        let file = write(out, &report.codes);
        let file = file.or_exit(ExitCode::Input, format!("write {}", out.display()))?;
        if is_stopped() {
            return Err(failure(ScanError::Interrupted));
        }
        let appeared = file.finish();
        appeared.or_exit(ExitCode::Input, format!("write {}", out.display()))?;
    }
    if matches!(asked.form, Form::Codes | Form::CodesAndTable) {
        for file in report.files.iter().filter(|file| file.in_range == 0) {
            stats::print(&format!(
                "warning: {} holds no line of 8 to 10 characters\n",
                file.name
            ));
        }
    }
    let is_written = asked.out.is_some();
    output::to_reader(|out| match asked.form {
        Form::Json => stats::write_json(&report, !is_written, out),
        _ if is_written => Ok(()),
        _ => report.codes.write_to(out),
    })?;
    match asked.form {
        Form::CodesAndTable => stats::print(&stats::table(&report)),
        Form::CodesAndFigures => stats::print(&stats::json(&report)),
        Form::Codes | Form::Json => (),
    }
    Ok(())
}

fn write(out: &Path, codes: &Codes) -> io::Result<AtomicFile> {
    let mut file = AtomicFile::create(out)?;
    codes.write_to(&mut file)?;
    Ok(file)
}

/// Found out before the files are read, which may take a while.
fn may_be_written(out: &Path, files: &[PathBuf]) -> Result<(), Failure> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let problem = match fs::metadata(folder.unwrap_or(Path::new("."))) {
        Ok(about) if !about.is_dir() => Some(io::ErrorKind::NotADirectory.into()),
        Ok(_) if out.is_dir() => Some(io::ErrorKind::IsADirectory.into()),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    if let Some(problem) = problem {
        return Err(Failure::new(ExitCode::Input, format!("write {}", out.display())).context_from(problem));
    }
    let real = fs::canonicalize(out).ok();
    if real.is_some() && files.iter().any(|file| fs::canonicalize(file).ok() == real) {
        let message = format!("{} would replace one of the files to scan", out.display());
        return Err(Failure::new(ExitCode::Usage, message));
    }
    Ok(())
}

fn input(file: &Path) -> Input {
    if file.as_os_str() == "-" {
        return Input::reader("standard input", io::stdin());
    }
    Input::file(file)
}

/// The failure that a failed scan is.
pub(crate) fn failure(error: ScanError) -> Failure {
    let code = match error.kind() {
        ErrorKind::Usage => ExitCode::Usage,
        ErrorKind::System => ExitCode::Input,
        ErrorKind::Damaged => ExitCode::InvalidData,
        ErrorKind::Interrupted => ExitCode::Terminated,
    };
    Failure::new(code, "scan coupon codes").context_from(error)
}
