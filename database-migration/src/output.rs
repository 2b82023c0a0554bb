//! Standard output: text for people, or events for programs.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{SecondsFormat, Utc};
use process::failure::{ExitCode, Failure, OrExit as _};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::warn;

/// What a command writes for whoever called it; the log goes elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Events, one JSON object a line, instead of text.
    pub(crate) json: bool,
}

impl Output {
    /// What the command was called for: the text, or an event of this name with the answer's fields.
    ///
    /// # Errors
    /// `Input` when it cannot be written.
    pub(crate) fn answer(self, name: &str, answer: &(impl Display + Serialize)) -> Result<(), Failure> {
        match self.json {
            true => self.event(name, answer),
            false => write(&answer.to_string()),
        }
    }

    /// An event beside the work, if events are wanted. One that cannot be written is no reason to end the work.
    pub(crate) fn tell(self, name: &str, of: &impl Serialize) {
        static SAID: AtomicBool = AtomicBool::new(false);
        if let Err(failure) = self.event(name, of)
            && !SAID.swap(true, Ordering::Relaxed)
        {
            warn!(
                error = failure.line(),
                "nobody reads the events; the work goes on"
            );
        }
    }

    /// An event with the fields of `of`, if events are wanted.
    ///
    /// # Errors
    /// `Input` when it cannot be written.
    pub(crate) fn event(self, name: &str, of: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let fields = serde_json::to_value(of).or_exit(ExitCode::Unexpected, "write an event as JSON")?;
        let mut line = Map::new();
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        line.insert("timestamp".into(), now.into());
        line.insert("event".into(), name.into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        write(&format!("{}\n", Value::Object(line)))
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .or_exit(ExitCode::Input, "write to standard output")
}
