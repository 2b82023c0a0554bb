//! The effective settings as text, without secrets.

use config::{Value, ValueKind};

use super::Source;
use super::layers;
use super::problem::is_secret;
use crate::failure::Failure;

/// A line `key = value` for each setting, sorted, with the environment variable that set it. A text
/// whose key may hold a secret shows only whether it is set.
pub(super) fn shown(
    source: &Source,
    environment: &dyn Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<String, Failure> {
    let defaults = Source {
        file: None,
        environment: Vec::new(),
        ..source.clone()
    };
    let defaults = layers::collect(&defaults, &|_| None)?;
    let settings = layers::collect(source, environment)?;
    let mut lines = Vec::new();
    walk("", &settings, Some(&defaults), &mut lines);
    lines.sort_unstable();
    Ok(lines.concat())
}

fn walk(key: &str, value: &Value, default: Option<&Value>, lines: &mut Vec<String>) {
    if let ValueKind::Table(table) = &value.kind {
        let defaults = default.and_then(|default| match &default.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        });
        for (name, value) in table {
            let key = if key.is_empty() {
                name.clone()
            } else {
                format!("{key}.{name}")
            };
            walk(
                &key,
                value,
                defaults.and_then(|defaults| defaults.get(name)),
                lines,
            );
        }
        return;
    }
    // A number or a switch is no secret, whatever it is called.
    let is_text = default.is_none_or(|default| matches!(default.kind, ValueKind::String(_) | ValueKind::Nil));
    let text = match value.clone().into_string() {
        Ok(text) if is_secret(key) && is_text && !text.is_empty() => "(set, not shown)".to_owned(),
        Ok(text) if is_text => format!("{text:?}"),
        Ok(text) => text,
        Err(_) => list(value),
    };
    let origin = value
        .origin()
        .map_or(String::new(), |variable| format!("  # {variable}"));
    lines.push(format!("{key} = {text}{origin}\n"));
}

fn list(value: &Value) -> String {
    match value.clone().into_array() {
        Ok(values) => {
            let texts: Vec<String> = values
                .into_iter()
                .filter_map(|value| value.into_string().ok())
                .collect();
            format!("{texts:?}")
        }
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn every_setting_is_shown_with_its_variable_and_no_secret() {
        let source = Source {
            defaults: "port = 8080\norigins = [\"*\"]\n[database]\nurl = \"\"\npassword = \"\"\nper_key = 3\n",
            file: None,
            environment: vec![("PORT", "port"), ("DATABASE_URL", "database.url")],
        };
        let environment = |name: &str| match name {
            "PORT" => Some(OsString::from("9000")),
            "DATABASE_URL" => Some(OsString::from("postgres://u:s3cret@h/d")),
            _ => None,
        };

        let shown = shown(&source, &environment).unwrap();

        assert_eq!(
            shown,
            "database.password = \"\"\ndatabase.per_key = 3\ndatabase.url = (set, not shown)  # DATABASE_URL\n\
             origins = [\"*\"]\nport = 9000  # PORT\n"
        );
    }
}
