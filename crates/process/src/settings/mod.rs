//! Settings: embedded defaults, then an optional file, then the environment.
//!
//! Every key has its default and a comment in the service's default file. A file may change any of
//! them and a typo in it is an error; an environment variable changes the one key it stands for and
//! is checked by its value. This is the only place that reads the environment.

mod layers;
mod problem;
mod shown;
pub mod text;
mod value;
mod written;

use std::ffi::OsString;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use crate::failure::{ExitCode, Failure};
use text::{Blanks, NotAValue};

pub use written::Written;

#[cfg(test)]
mod tests;

/// The sources of a service's settings, the weakest first.
#[derive(Clone, Debug)]
pub struct Source {
    /// The service's default file (TOML), embedded: every key with its default and a comment.
    pub defaults: &'static str,
    /// A TOML file laid over the defaults (`--config FILE`); it holds only the keys that differ.
    pub file: Option<PathBuf>,
    /// Environment variables and the dotted keys they set: `("PORT", "server.port")`.
    ///
    /// An empty variable counts as unset. Each is also honored as `NAME_FILE`, the path of a file
    /// that holds the value, unless the list itself names `NAME_FILE`. The two together are
    /// refused. Of both, blanks, line breaks and byte order marks around the value are cut, except
    /// blanks around a password.
    pub environment: Vec<(&'static str, &'static str)>,
}

/// Reads the settings.
///
/// `T` should deny unknown fields. Texts from the environment become the types of `T`: numbers,
/// booleans (`true`, `false`, `1`, `0`, `on`, `off`, `yes`, `no`), comma lists; a text stays as it
/// is and is refused with a line break or another control character inside (of OpenTelemetry's
/// variables it counts as not set). For an `Option`, an empty text is `None`.
///
/// # Errors
/// `Usage`, one line that names the setting: the environment variable it came from, else the file
/// and the key. The value is left out if the key contains `url`, `password`, `key`, `secret` or
/// `token`.
pub fn load<T: DeserializeOwned>(source: &Source) -> Result<T, Failure> {
    load_from(source, &variable_os)
}

fn load_from<T: DeserializeOwned>(
    source: &Source,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<T, Failure> {
    let settings = layers::collect(source, environment)?;
    serde_path_to_error::deserialize(value::Node(settings.clone())).map_err(|error| {
        let line = error.inner().line(error.path(), &settings, source);
        Failure::new(ExitCode::Usage, line)
    })
}

/// The effective settings: a line `key = value` each, with the variable that set it. Values of keys
/// that may hold a secret are not shown.
///
/// # Errors
/// As [`load`], except that the values are not checked.
pub fn shown(source: &Source) -> Result<String, Failure> {
    shown::shown(source, &variable_os)
}

/// An environment variable that is no setting of the service, such as `PATH`.
///
/// Blanks and line breaks around it are cut. `None` if it is unset, empty or not UTF-8.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    variable_os(name)
        .and_then(|value| text::value(value.as_encoded_bytes(), Blanks::Cut).ok())
        .filter(|value| !value.is_empty())
}

/// Why a variable of OpenTelemetry counts as not set, unless it is a text of one line.
pub(crate) fn ignored(name: &str) -> Option<NotAValue> {
    layers::ignored(name, &variable_os)
}

/// An environment variable as it is; octets that are no UTF-8 are read as U+FFFD.
pub(crate) fn lossy(name: &str) -> Option<String> {
    variable_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the environment is read"
)]
fn variable_os(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
