//! Which files of this machine a source stands for.

use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use process::failure::{ExitCode, Failure};

use super::location::{Source, is_pattern};
use super::unreachable;
use crate::format::Format;
use crate::regular_file;

/// Names and paths of the files of a source, sorted by name; a name is as the profile would have
/// it.
///
/// A folder stands for the files right in it, of which a table's must have a known ending; hidden
/// ones are left out.
///
/// # Errors
/// `Usage` when there is none, or what is there is no regular file; `Input` when it cannot be
/// looked at.
pub(super) fn files(source: &Source, path: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let one = || (source.name.clone(), path.to_owned());
    let files = match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => return folder(source, path),
        Ok(_) => regular_file::check(path).map(|_| vec![one()]),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(&source.name) => {
            return matching(source, path);
        }
        Err(error) => Err(error),
    };
    files.map_err(|error| failure(&path.display().to_string(), error))
}

fn folder(source: &Source, path: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let wanted = |name: &str| {
        let is_known = !source.is_table || source.format.is_some() || Format::of(name).is_some();
        !name.starts_with('.') && is_known
    };
    let mut found = Vec::new();
    let entries = std::fs::read_dir(path).map_err(|error| failure(&source.name, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failure(&source.name, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if wanted(&name) && std::fs::metadata(entry.path()).is_ok_and(|about| about.is_file()) {
            let shown = format!("{}/{name}", source.name.trim_end_matches('/'));
            found.push((shown, entry.path()));
        }
    }
    if found.is_empty() {
        let what = if source.is_table {
            "is a directory without a file that ends in .csv, .json, .jsonl or .ndjson (and .gz or .zst after it)"
        } else {
            "is a directory without files"
        };
        return Err(Failure::new(
            ExitCode::Usage,
            format!("source {}: {what}", source.name),
        ));
    }
    found.sort_unstable();
    Ok(found)
}

fn matching(source: &Source, path: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let usage = |problem: String| {
        let message = format!("source {}: {problem}", source.name);
        Failure::new(ExitCode::Usage, message)
    };
    // The name is a pattern; the profile's folder is none, whatever its name.
    let whole = path.to_str().and_then(|whole| whole.strip_suffix(&source.name));
    let folder = whole.ok_or_else(|| usage("the profile's folder is not UTF-8".into()))?;
    let pattern = format!("{}{}", Pattern::escape(folder), source.name);
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let paths = glob::glob_with(&pattern, options).map_err(|error| usage(error.to_string()))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| failure(&source.name, error.into()))?;
        if std::fs::metadata(&path).is_ok_and(|about| about.is_file()) {
            let shown = path.strip_prefix(folder).unwrap_or(&path);
            found.push((shown.to_string_lossy().into_owned(), path.clone()));
        }
    }
    if found.is_empty() {
        return Err(usage("matches no file".into()));
    }
    found.sort_unstable();
    Ok(found)
}

/// `Usage` for what is not there or cannot be read by its nature, `Input` for what fails.
pub(super) fn failure(name: &str, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidInput => {
            Failure::new(ExitCode::Usage, format!("source {name}")).context_from(error)
        }
        _ => unreachable::failure(name, error.to_string()),
    }
}
