//! Values of settings that may be in files instead.

use std::path::Path;

use process::settings::text::{self, Blanks};
use secrecy::{ExposeSecret as _, SecretString};

use crate::settings::Invalid;

/// A value or what its file holds, after the setting that it comes from.
pub(crate) fn secret(
    value: Option<&SecretString>,
    file: Option<&Path>,
    name: &str,
    blanks: Blanks,
) -> Result<Option<(String, SecretString)>, Invalid> {
    match (value.filter(|value| !value.expose_secret().is_empty()), file) {
        (Some(value), _) => Ok(Some((name.to_owned(), value.clone()))),
        (None, Some(path)) => {
            let setting = format!("{name}_FILE");
            let text = read(&setting, path, blanks)?;
            Ok(Some((setting, text.into())))
        }
        (None, None) => Ok(None),
    }
}

pub(crate) fn text(
    value: Option<&String>,
    file: Option<&Path>,
    name: &str,
) -> Result<Option<String>, Invalid> {
    match (value.filter(|value| !value.is_empty()), file) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Some(path)) => read(&format!("{name}_FILE"), path, Blanks::Cut).map(Some),
        (None, None) => Ok(None),
    }
}

/// The value in a file.
pub(crate) fn read(setting: &str, path: &Path, blanks: Blanks) -> Result<String, Invalid> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| Invalid::new(setting, format!("cannot read {shown}: {error}")))?;
    let text = text::value(&bytes, blanks).and_then(text::checked);
    let text = text.map_err(|problem| Invalid::new(setting, format!("{shown}: {problem}")))?;
    match text.is_empty() {
        true => Err(Invalid::new(setting, format!("{shown} is empty"))),
        false => Ok(text),
    }
}
