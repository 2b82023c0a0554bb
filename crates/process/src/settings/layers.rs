//! Lays defaults, file and environment over each other; a variable's value remembers its name.

use std::ffi::OsString;

use config::{Config, File, FileFormat, Value};

use super::Source;
use super::text::{self, Blanks, NotAValue};
use crate::failure::{ExitCode, Failure, OrExit as _};

/// All layers merged, tables key by key; the stronger layer replaces everything else.
pub(super) fn collect(
    source: &Source,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Value, Failure> {
    let mut builder = Config::builder().add_source(File::from_str(source.defaults, FileFormat::Toml));
    let mut name = "defaults".to_owned();
    if let Some(path) = &source.file {
        name = path.display().to_string();
        let text = std::fs::read_to_string(path).or_exit(ExitCode::Usage, format!("settings file {name}"))?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    for (variable, key) in &source.environment {
        if let Some(value) = value_of(variable, key, source, environment)? {
            builder = builder.set_override(*key, value).or_exit(ExitCode::Usage, *key)?;
        }
    }
    let merged = builder.build().map_err(|error| {
        let problem = without_excerpt(&error.to_string());
        Failure::new(ExitCode::Usage, format!("{name}: {problem}"))
    })?;
    Ok(merged.cache)
}

/// A TOML error without the quoted line of the file, which may hold a secret: place and message.
fn without_excerpt(error: &str) -> String {
    let mut lines = error.lines();
    let place = lines.next().unwrap_or_default();
    let place = place.strip_prefix("TOML parse error at ").unwrap_or(place);
    match lines.next_back() {
        Some(message) => format!("{place}: {message}"),
        None => place.to_owned(),
    }
}

/// The value of `NAME` or of the file that `NAME_FILE` names, with the variable as its origin.
fn value_of(
    name: &str,
    key: &str,
    source: &Source,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Value>, Failure> {
    let file_name = format!("{name}_FILE");
    let blanks = match key.contains("password") {
        true => Blanks::Kept,
        false => Blanks::Cut,
    };
    let value = match ignored(name, environment) {
        Some(_) => None,
        None => read(name, blanks, environment)?.filter(|text| !is_of_a_service(name, key, text)),
    };
    let (variable, text) = match (value, read(&file_name, Blanks::Cut, environment)?) {
        (Some(_), Some(_)) => {
            let problem = format!("{name}: set together with {file_name}; keep one");
            return Err(Failure::new(ExitCode::Usage, problem));
        }
        (Some(text), None) => (name.to_owned(), text),
        // A setting of its own; the value of a settings file must not override it.
        (None, Some(_)) if source.environment.iter().any(|(other, _)| *other == file_name) => {
            (file_name, String::new())
        }
        (None, Some(path)) => {
            let bytes =
                std::fs::read(&path).or_exit(ExitCode::Usage, format!("{file_name}: cannot read {path}"))?;
            let text =
                text::value(&bytes, blanks).or_exit(ExitCode::Usage, format!("{file_name}: {path}"))?;
            (file_name, text)
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(Value::new(Some(&variable), text)))
}

/// Why a variable counts as not set that operators set for all pods alike, and that must not stop
/// one of them.
pub(super) fn ignored(name: &str, environment: &dyn Fn(&str) -> Option<OsString>) -> Option<NotAValue> {
    if !name.starts_with("OTEL_") {
        return None;
    }
    let value = environment(name)?;
    text::value(value.as_encoded_bytes(), Blanks::Cut)
        .and_then(text::checked)
        .err()
}

/// Whether Kubernetes or docker set the variable: a Service `console` sets `CONSOLE_PORT`. Nobody
/// listens on such an address. That of a database may be meant, and is refused in words where it is
/// used.
fn is_of_a_service(name: &str, key: &str, text: &str) -> bool {
    name.ends_with("_PORT") && key != "database.port" && !text::service_link(text).is_empty()
}

fn read(
    name: &str,
    blanks: Blanks,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<String>, Failure> {
    let Some(value) = environment(name) else {
        return Ok(None);
    };
    let text = text::value(value.as_encoded_bytes(), blanks).or_exit(ExitCode::Usage, name)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}
