use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::*;
use crate::scratch::Scratch;

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
    drain: Duration,
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
    let scratch = Scratch::new();
    let file = scratch.write("settings.toml", text);
    let failure = load_with::<Settings>(Some(&file), &[]).unwrap_err();
    assert_eq!(failure.code, ExitCode::Usage);
    failure.line().replace(file.to_str().unwrap(), "FILE")
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
    let scratch = Scratch::new();
    let file = scratch.write("settings.toml", "[server]\nport = 9000\ndrain = 0.25\n");

    let settings: Settings = load_with(Some(&file), &[("PORT", "9001")]).unwrap();

    assert_eq!(settings.server.port, 9001);
    assert_eq!(settings.server.drain, Duration::from_millis(250));
    assert_eq!((settings.server.color, settings.server.note), (Color::Red, None));
    assert_eq!(settings.profiles, ["default"]);
}

#[test]
fn texts_from_the_environment_become_what_the_setting_is() {
    let settings: Settings = load_with(
        None,
        &[
            ("PROFILES", "minimal, demo,"),
            ("PORT", " 0 "),
            ("DRAIN", "2.5"),
            ("ENABLE_METRICS", "off"),
            ("RATIO", "1"),
            ("COLOR", "green"),
            ("LIMIT", "7"),
            ("DB_POOL", "-12"),
        ],
    )
    .unwrap();

    assert_eq!(settings.profiles, ["minimal", "demo"]);
    assert_eq!((settings.server.port, settings.server.limit), (0, Some(7)));
    assert_eq!(settings.server.drain, Duration::from_millis(2500));
    assert!(!settings.server.metrics);
    assert_eq!(
        (settings.server.ratio, settings.server.color),
        (1.0, Color::Green)
    );
    assert_eq!(settings.database.pool, -12);
}

#[test]
fn every_spelling_of_true_and_false_is_understood() {
    for (text, expected) in [
        ("true", true),
        ("1", true),
        ("on", true),
        ("TRUE", true),
        ("false", false),
        ("0", false),
        ("off", false),
    ] {
        let settings: Settings = load_with(None, &[("ENABLE_METRICS", text)]).unwrap();
        assert_eq!(settings.server.metrics, expected, "{text}");
    }
}

#[test]
fn a_text_stays_exactly_as_it_is() {
    for text in ["12345", "0123", "1e3", "true", " a b ", "a,b", "none"] {
        let settings: Settings = load_with(None, &[("DB_PASSWORD", text)]).unwrap();
        assert_eq!(settings.database.password, text);
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let settings: Settings =
        load_with(None, &[("PORT", ""), ("PROFILES", ""), ("DB_PASSWORD_FILE", "")]).unwrap();

    assert_eq!(
        (settings.server.port, settings.profiles),
        (8080, vec!["default".to_owned()])
    );
}

#[test]
fn a_value_may_come_from_a_file_less_one_newline() {
    let scratch = Scratch::new();
    for (content, expected) in [
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("0123", "0123"),
        ("a\n\n", "a\n"),
    ] {
        let file = scratch.write("password", content);
        let settings: Settings = load_with(None, &[("DB_PASSWORD_FILE", file.to_str().unwrap())]).unwrap();
        assert_eq!(settings.database.password, expected);
    }
}

#[test]
fn a_listed_name_file_is_a_setting_of_its_own() {
    #[derive(Deserialize)]
    struct Paths {
        password: String,
        password_file: String,
    }
    let source = Source {
        defaults: "password = \"\"\npassword_file = \"\"",
        file: None,
        environment: vec![("DB_PASSWORD", "password"), ("DB_PASSWORD_FILE", "password_file")],
    };

    let paths: Paths = load_from(&source, &|name| {
        (name == "DB_PASSWORD_FILE").then(|| "/run/secrets/password".into())
    })
    .unwrap();

    assert_eq!(
        (paths.password.as_str(), paths.password_file.as_str()),
        ("", "/run/secrets/password")
    );
}

#[test]
fn a_missing_value_file_is_named() {
    let line = refused(&[("DB_PASSWORD_FILE", "/nonexistent/password")]);

    assert!(
        line.starts_with("DB_PASSWORD_FILE: cannot read /nonexistent/password: "),
        "{line}"
    );
}

#[test]
fn a_value_and_its_file_together_are_refused() {
    let line = refused(&[
        ("DB_PASSWORD", "hunter2"),
        ("DB_PASSWORD_FILE", "/run/secrets/password"),
    ]);

    assert_eq!(line, "DB_PASSWORD: set together with DB_PASSWORD_FILE; keep one");
}

#[test]
fn a_wrong_variable_is_named_with_what_is_accepted() {
    let table = [
        (
            ("PORT", "70000"),
            "PORT: `70000` is not a whole number from 0 to 65535",
        ),
        (("PORT", "-1"), "PORT: `-1` is not a whole number from 0 to 65535"),
        (
            ("PORT", "http"),
            "PORT: `http` is not a whole number from 0 to 65535",
        ),
        (
            ("PORT", "80.5"),
            "PORT: `80.5` is not a whole number from 0 to 65535",
        ),
        (("DRAIN", "5s"), "DRAIN: `5s` is not a number of seconds"),
        (("DRAIN", "-5"), "DRAIN: `-5` is not a number of seconds"),
        (
            ("ENABLE_METRICS", "maybe"),
            "ENABLE_METRICS: `maybe` is not true or false",
        ),
        (("RATIO", "NaN"), "RATIO: `NaN` is not a number"),
        (("COLOR", "blue"), "COLOR: `blue` is not one of red, green"),
    ];

    for (variable, expected) in table {
        assert_eq!(refused(&[variable]), expected);
    }
}

#[test]
fn a_wrong_value_in_a_file_is_named_with_the_file_and_the_key() {
    let table = [
        (
            "[server]\nport = 70000",
            "FILE: server.port: `70000` is not a whole number from 0 to 65535",
        ),
        (
            "[server]\nport = \"80\"",
            "FILE: server.port: `\"80\"` is not a whole number from 0 to 65535",
        ),
        ("[server]\nnote = 3", "FILE: server.note: `3` is not a text"),
        (
            "[server]\nmetrics = 1",
            "FILE: server.metrics: `1` is not true or false",
        ),
        ("server = 1", "FILE: server: `1` is not a table"),
        ("profiles = [\"a\", 1]", "FILE: profiles[1]: `1` is not a text"),
        ("profiles = \"a\"", "FILE: profiles: `\"a\"` is not a list"),
    ];

    for (text, expected) in table {
        assert_eq!(refused_file(text), expected);
    }
}

#[test]
fn a_typo_in_a_file_is_named_with_the_known_keys() {
    assert_eq!(
        refused_file("[server]\nprot = 1"),
        "FILE: server.prot: unknown key; known: port, drain, metrics, ratio, color, note, limit"
    );
    for text in ["[servers]\nport = 1", "[servers]"] {
        assert_eq!(
            refused_file(text),
            "FILE: servers: unknown key; known: profiles, server, database"
        );
    }
}

#[test]
fn a_secret_value_is_never_shown() {
    #[derive(Debug, Deserialize)]
    struct Refuses {
        #[expect(dead_code, reason = "never read")]
        database: RefusesUrl,
    }
    #[derive(Debug, Deserialize)]
    struct RefusesUrl {
        #[serde(deserialize_with = "refuse")]
        #[expect(dead_code, reason = "never read")]
        url: String,
    }
    fn refuse<'de, D: serde::Deserializer<'de>>(value: D) -> Result<String, D::Error> {
        let text = String::deserialize(value)?;
        Err(serde::de::Error::custom(format!("cannot parse {text}")))
    }

    let refused = load_with::<Refuses>(None, &[("DATABASE_URL", "postgres://shop:hunter2@db")]).unwrap_err();

    assert_eq!(
        refused.line(),
        "DATABASE_URL: the value (redacted) is not accepted"
    );
    assert_eq!(
        refused_file("[database]\npassword = 31337"),
        "FILE: database.password: the value (redacted) is not a text"
    );
    assert!(!refused_file("[database]\npassword = \"hunter2").contains("hunter2"));
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_named() {
    let line = refused_file("[server]\nport = \n");
    assert!(line.starts_with("FILE: line 2, column "), "{line}");
    assert!(!line.contains('\n'));

    let missing = load_with::<Settings>(Some(Path::new("/nonexistent.toml")), &[]).unwrap_err();
    assert_eq!(missing.code, ExitCode::Usage);
    assert!(
        missing.line().starts_with("settings file /nonexistent.toml: "),
        "{}",
        missing.line()
    );
}

#[test]
fn a_setting_without_a_default_is_named_by_its_variable() {
    #[derive(Debug, Deserialize)]
    struct Needs {
        #[expect(dead_code, reason = "never read")]
        hash: String,
    }
    let source = Source {
        defaults: "",
        file: None,
        environment: vec![("API_KEY_HASH_KEY", "hash")],
    };

    let failure = load_from::<Needs>(&source, &|_| None).unwrap_err();

    assert_eq!(failure.line(), "API_KEY_HASH_KEY: not set (key hash)");
}

#[test]
fn the_telemetry_section_loads_from_its_own_variables() {
    #[derive(Deserialize)]
    struct Service {
        telemetry: crate::telemetry::Settings,
    }
    let source = Source {
        defaults: "[telemetry]\nlog_level = \"info\"",
        file: None,
        environment: crate::telemetry::ENVIRONMENT.to_vec(),
    };
    let variables = HashMap::from([
        ("LOG_FORMAT", "json"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_SDK_DISABLED", "true"),
        ("POD_UID", "12345678901234567890123456789012"),
    ]);

    let service: Service = load_from(&source, &|name| variables.get(name).map(OsString::from)).unwrap();

    let telemetry = service.telemetry;
    assert_eq!(telemetry.log_format, crate::telemetry::LogFormat::Json);
    assert_eq!(
        (telemetry.sampler_arg, telemetry.sdk_disabled),
        (Some(0.25), true)
    );
    assert_eq!(telemetry.pod_uid, "12345678901234567890123456789012");
    assert_eq!(telemetry.jaeger_endpoint, "http://localhost:14268/api/traces");
}

#[test]
fn the_telemetry_defaults_in_toml_and_in_rust_are_the_same_and_complete() {
    #[derive(Deserialize)]
    struct Service {
        telemetry: crate::telemetry::Settings,
    }
    let defaults = include_str!("../telemetry/defaults.toml");
    let source = Source {
        defaults,
        file: None,
        environment: Vec::new(),
    };

    let service: Service = load_from(&source, &|_| None).unwrap();

    assert_eq!(service.telemetry, crate::telemetry::Settings::default());
    for (name, key) in crate::telemetry::ENVIRONMENT {
        let key = key.strip_prefix("telemetry.").unwrap();
        assert!(defaults.contains(&format!("({name})")), "{name}");
        assert!(defaults.contains(&format!("\n{key} = ")), "{key}");
    }
}
