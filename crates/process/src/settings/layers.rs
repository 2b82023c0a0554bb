//! Lays defaults, file and environment over each other; each value remembers where it came from.

use std::ffi::OsString;
use std::path::Path;

use config::{Config, ConfigError, FileFormat, Format as _, Map, Source as _, Value, ValueKind};

use super::Source;
use crate::failure::{ExitCode, Failure, OrExit as _};

/// Origin of a value that came from an environment variable: the variable's name follows.
pub(super) const ENVIRONMENT: &str = "environment:";

/// Origin of a value that came from a file: its path follows.
pub(super) const FILE: &str = "file:";

/// Origin of a value that the service brought along.
const DEFAULTS: &str = "file:built-in defaults";

/// All layers merged, tables key by key; the stronger layer replaces everything else.
pub(super) fn collect(
    source: &Source,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Map<String, Value>, Failure> {
    let mut builder = Config::builder().add_source(parse(DEFAULTS, source.defaults)?);
    if let Some(path) = &source.file {
        let text = std::fs::read_to_string(path)
            .or_exit(ExitCode::Usage, format!("settings file {}", path.display()))?;
        builder = builder.add_source(parse(&format!("{FILE}{}", path.display()), &text)?);
    }
    let variables = Layer(variables(&source.environment, environment)?);
    builder
        .add_source(variables)
        .build()
        .and_then(|merged| merged.collect())
        .or_exit(ExitCode::Usage, "settings")
}

#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn parse(origin: &str, text: &str) -> Result<Layer, Failure> {
    FileFormat::Toml
        .parse(Some(&origin.to_owned()), text)
        .map(Layer)
        .map_err(|error| {
            let file = origin.strip_prefix(FILE).unwrap_or(origin);
            Failure::new(
                ExitCode::Usage,
                format!("{file}: {}", without_excerpt(&error.to_string())),
            )
        })
}

/// A TOML error in one line, without the line of the file it quotes: that may hold a secret.
fn without_excerpt(error: &str) -> String {
    let is_excerpt = |line: &str| {
        let line = line
            .trim_start()
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start();
        line.starts_with('|')
    };
    let lines = error.lines().filter(|line| !line.is_empty() && !is_excerpt(line));
    let line = lines.collect::<Vec<_>>().join(": ");
    line.strip_prefix("TOML parse error at ")
        .unwrap_or(&line)
        .to_owned()
}

fn variables(
    pairs: &[(&'static str, &'static str)],
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Map<String, Value>, Failure> {
    let mut values = Map::new();
    for (name, key) in pairs {
        let direct = read(name, environment)?;
        let file_name = format!("{name}_FILE");
        let is_listed = pairs.iter().any(|(other, _)| *other == file_name);
        let file = read(&file_name, environment)?;
        let (origin, text) = match (direct, file) {
            (Some(_), Some(_)) => {
                return Err(Failure::new(
                    ExitCode::Usage,
                    format!("{name}: set together with {file_name}; keep one"),
                ));
            }
            (Some(text), None) => ((*name).to_owned(), text),
            // A setting of its own; a value that a settings file has must not go before it.
            (None, Some(_)) if is_listed => (file_name, String::new()),
            (None, Some(path)) => {
                let text = content(&file_name, Path::new(&path))?;
                (file_name, text)
            }
            (None, None) => continue,
        };
        let origin = format!("{ENVIRONMENT}{origin}");
        values.insert(
            (*key).to_owned(),
            Value::new(Some(&origin), ValueKind::String(text)),
        );
    }
    Ok(values)
}

fn read(name: &str, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<String>, Failure> {
    match environment(name).map(OsString::into_string) {
        Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Err(_)) => Err(Failure::new(ExitCode::Usage, format!("{name}: not UTF-8"))),
        None => Ok(None),
    }
}

fn content(name: &str, path: &Path) -> Result<String, Failure> {
    let mut text = std::fs::read_to_string(path)
        .or_exit(ExitCode::Usage, format!("{name}: cannot read {}", path.display()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
