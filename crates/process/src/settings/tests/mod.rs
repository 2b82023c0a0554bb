//! Tests of the settings: a struct with every kind of value, its defaults and its variables.

mod layers;
mod values;

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::*;

const DEFAULTS: &str = r#"
# Names of the profiles to load.
profiles = ["default"]

[server]
port = 8080
drain = 5
metrics = true
ratio = 0.5
color = "red"
note = ""

[database]
url = ""
password = ""
pool = -1
"#;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    profiles: Vec<String>,
    server: Server,
    database: Database,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    port: u16,
    drain: u64,
    metrics: bool,
    ratio: f64,
    color: Color,
    note: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Color {
    Red,
    Green,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    url: String,
    password: String,
    pool: i32,
}

const ENVIRONMENT: [(&str, &str); 10] = [
    ("PROFILES", "profiles"),
    ("PORT", "server.port"),
    ("DRAIN", "server.drain"),
    ("ENABLE_METRICS", "server.metrics"),
    ("RATIO", "server.ratio"),
    ("COLOR", "server.color"),
    ("LIMIT", "server.limit"),
    ("DATABASE_URL", "database.url"),
    ("DB_PASSWORD", "database.password"),
    ("DB_POOL", "database.pool"),
];

fn load_with<T: DeserializeOwned>(file: Option<&Path>, variables: &[(&str, &str)]) -> Result<T, Failure> {
    let source = Source {
        defaults: DEFAULTS,
        file: file.map(Path::to_owned),
        environment: ENVIRONMENT.to_vec(),
    };
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    load_from(&source, &|name| variables.get(name).map(OsString::from))
}

/// The line of the error that these variables cause.
fn refused(variables: &[(&str, &str)]) -> String {
    let failure = load_with::<Settings>(None, variables).unwrap_err();
    assert_eq!(failure.code, ExitCode::Usage);
    failure.line()
}

/// The line of the error that this file causes; the file is shown as `FILE`.
fn refused_file(text: &str) -> String {
    let file = file(text);
    let failure = load_with::<Settings>(Some(file.path()), &[]).unwrap_err();
    assert_eq!(failure.code, ExitCode::Usage);
    failure.line().replace(file.path().to_str().unwrap(), "FILE")
}

fn file(content: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, content).unwrap();
    file
}
