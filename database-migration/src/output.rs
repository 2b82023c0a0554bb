//! The answers on standard output: text, or one JSON object.

use std::fmt::Display;
use std::io::Write as _;

use chrono::{SecondsFormat, Utc};
use process::failure::{ExitCode, Failure, OrExit as _};
use serde::Serialize;
use serde_json::{Map, Value};

/// The answer of a command; the log goes to standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// One JSON object instead of text.
    pub(crate) json: bool,
}

impl Output {
    /// Writes the answer: as text, or as one line of JSON with `name` as its `event`.
    ///
    /// # Errors
    /// `Input` when it cannot be written.
    pub(crate) fn answer(self, name: &str, answer: &(impl Display + Serialize)) -> Result<(), Failure> {
        match self.json {
            true => write(&Self::line(name, answer)?),
            false => write(&answer.to_string()),
        }
    }

    fn line(name: &str, answer: &impl Serialize) -> Result<String, Failure> {
        let fields =
            serde_json::to_value(answer).or_exit(ExitCode::Unexpected, "write the answer as JSON")?;
        let mut line = Map::new();
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        line.insert("timestamp".into(), now.into());
        line.insert("event".into(), name.into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        Ok(format!("{}\n", Value::Object(line)))
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .or_exit(ExitCode::Input, "write to standard output")
}
