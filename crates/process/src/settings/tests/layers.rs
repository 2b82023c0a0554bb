//! Tests of the layers: precedence of defaults, file and environment, and `NAME_FILE`.

use std::collections::BTreeMap;

use super::*;
use crate::telemetry;

/// A service with the shared section alone.
#[derive(Deserialize)]
struct Service {
    telemetry: telemetry::Settings,
}

/// A password, and its file as a setting of its own.
#[derive(Debug, Deserialize)]
struct Paths {
    password: Option<String>,
    password_file: String,
}

/// The section with these defaults and its own variables.
fn telemetry_of(
    defaults: &'static str,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<telemetry::Settings, Failure> {
    let source = Source {
        defaults,
        file: None,
        environment: telemetry::ENVIRONMENT.to_vec(),
    };
    load_from(&source, environment).map(|service: Service| service.telemetry)
}

/// The sources of [`Paths`].
fn paths(file: Option<PathBuf>) -> Source {
    Source {
        defaults: "password = \"\"\npassword_file = \"\"",
        file,
        environment: vec![("DB_PASSWORD", "password"), ("DB_PASSWORD_FILE", "password_file")],
    }
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_defaults() {
    let file = file("[server]\nport = 9000\ndrain = 7\n");

    let settings: Settings = load_with(Some(file.path()), &[("PORT", "9001")]).unwrap();

    assert_eq!(settings.server.port, 9001);
    assert_eq!(settings.server.drain, 7);
    assert_eq!((settings.server.color, settings.server.note), (Color::Red, None));
    assert_eq!(settings.profiles, ["default"]);
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
fn a_value_may_come_from_a_file_less_what_surrounds_it_by_accident() {
    for (content, expected) in [
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("0123", "0123"),
        ("a\n\n", "a"),
        ("\u{feff}a\r\n\r\n", "a"),
        (" a \n", " a "),
        ("", ""),
        ("\n", ""),
    ] {
        let file = file(content);
        let settings: Settings =
            load_with(None, &[("DB_PASSWORD_FILE", file.path().to_str().unwrap())]).unwrap();
        assert_eq!(settings.database.password, expected);
    }
}

#[test]
fn a_listed_name_file_is_a_setting_of_its_own() {
    let paths: Paths = load_from(&paths(None), &|name| {
        (name == "DB_PASSWORD_FILE").then(|| "/run/secrets/password".into())
    })
    .unwrap();

    assert_eq!(
        (paths.password, paths.password_file.as_str()),
        (None, "/run/secrets/password")
    );
}

#[test]
fn a_listed_name_file_goes_before_the_value_of_a_settings_file_and_not_beside_the_variable() {
    let settings = file("password = \"hunter2\"");
    let source = paths(Some(settings.path().to_owned()));
    let file = |name: &str| (name == "DB_PASSWORD_FILE").then(|| "/run/secrets/password".into());

    let paths: Paths = load_from(&source, &file).unwrap();
    let both = load_from::<Paths>(&source, &|name| {
        file(name)
            .or(Some("hunter2".into()))
            .filter(|_| !name.ends_with("_FILE_FILE"))
    });

    assert_eq!(
        (paths.password, paths.password_file.as_str()),
        (None, "/run/secrets/password")
    );
    let failure = both.unwrap_err();
    assert_eq!(failure.code, ExitCode::Usage);
    assert_eq!(
        failure.line(),
        "DB_PASSWORD: set together with DB_PASSWORD_FILE; keep one"
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
fn what_surrounds_a_variable_by_accident_is_cut() {
    for around in ["{}\n", "{}\r\n", " {} ", "\u{feff}{}", "\n{}\n\n", "\t{}\u{200b}"] {
        let with = |value: &str| around.replace("{}", value);
        let variables = [
            ("DATABASE_URL", with("postgres://u:p@h/d")),
            ("PORT", with("9001")),
            ("COLOR", with("green")),
            ("PROFILES", with("demo")),
        ];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));

        let settings: Settings = load_with(None, &variables).unwrap();

        assert_eq!(settings.database.url, "postgres://u:p@h/d", "{around:?}");
        assert_eq!(
            (settings.server.port, settings.server.color),
            (9001, Color::Green)
        );
        assert_eq!(settings.profiles, ["demo"]);
    }
}

#[test]
fn what_a_service_of_the_same_name_sets_is_no_port() {
    let source = Source {
        defaults: "[console]\nport = \"7\"\n[database]\nport = \"\"\n",
        file: None,
        environment: vec![("CONSOLE_PORT", "console.port"), ("DB_PORT", "database.port")],
    };
    let link = "tcp://10.96.0.10:8081";

    let settings: BTreeMap<String, BTreeMap<String, String>> =
        load_from(&source, &|name| name.ends_with("_PORT").then(|| link.into())).unwrap();

    assert_eq!(settings["console"]["port"], "7");
    // Where the database has no URL, this may be meant, and the message says where it comes from.
    assert_eq!(settings["database"]["port"], link);
}

#[test]
fn what_cannot_be_meant_is_named_and_not_shown() {
    for (inside, problem) in [
        ("\n", "holds a line break"),
        ("\r\n", "holds a line break"),
        ("\0", "holds a NUL character"),
        ("\u{1b}[0m", "holds a control character"),
    ] {
        let text = format!("hunter{inside}2\n");
        let file = file(&text);
        for name in ["DATABASE_URL", "DB_PASSWORD", "COLOR", "PROFILES"] {
            let from_file = format!("{name}_FILE");
            let line = refused(&[(&from_file, file.path().to_str().unwrap())]);
            assert_eq!(line.split(['[', ':']).next(), Some(from_file.as_str()), "{line}");
            assert!(line.contains(problem) && !line.contains("hunter"), "{line}");
            assert_eq!(
                refused(&[(name, &text)]).replace(name, ""),
                line.replace(&from_file, "")
            );
        }
    }
}

#[test]
fn a_file_that_is_not_utf_8_is_named_and_not_shown() {
    for (bytes, problem) in [
        (&b"\xff\xfep\0w\0"[..], "is UTF-16; write it as UTF-8"),
        (b"hunter\xe9", "is not UTF-8"),
    ] {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(&file, bytes).unwrap();
        let path = file.path().to_str().unwrap();
        let line = refused(&[("DB_PASSWORD_FILE", path)]);
        assert_eq!(
            line,
            format!("DB_PASSWORD_FILE: {path}: the value (not shown) {problem}")
        );
    }
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
    let variables = HashMap::from([
        ("LOG_FORMAT", "json"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_SDK_DISABLED", "true"),
        ("POD_UID", "12345678901234567890123456789012"),
    ]);

    let defaults = "[telemetry]\nlog_level = \"info\"";
    let telemetry = telemetry_of(defaults, &|name| variables.get(name).map(OsString::from)).unwrap();

    assert_eq!(telemetry.log_format, telemetry::LogFormat::Json);
    assert_eq!(
        (telemetry.sampler_arg, telemetry.sdk_disabled),
        ("0.25".into(), "true".into())
    );
    assert_eq!(telemetry.pod_uid, "12345678901234567890123456789012");
    assert_eq!(telemetry.jaeger_endpoint, "http://localhost:14268/api/traces");
}

#[test]
fn a_variable_of_opentelemetry_that_is_no_text_counts_as_not_set() {
    for value in [&b"a\nb"[..], b"a\x07b", b"\xff", b"\xff\xfea"] {
        let value: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(value);
        let set = |variable: &'static str| {
            let environment = |name: &str| (name == variable).then(|| value.to_owned());
            telemetry_of("[telemetry]\nservice_name = \"shop\"", &environment)
        };

        assert_eq!(set("OTEL_SERVICE_NAME").unwrap().service_name, "shop");
        assert_eq!(set("OTEL_SDK_DISABLED").unwrap().sdk_disabled, "false".into());
        let refused = set("SERVICE_VERSION").err().map(|failure| failure.line());
        assert!(
            refused
                .unwrap()
                .starts_with("SERVICE_VERSION: the value (not shown)")
        );
    }
}

#[test]
fn the_telemetry_defaults_in_toml_and_in_rust_are_the_same_and_complete() {
    let defaults = include_str!("../../telemetry/defaults.toml");
    let loaded = telemetry_of(defaults, &|_| None).unwrap();

    assert_eq!(loaded, telemetry::Settings::default());
    for (name, key) in telemetry::ENVIRONMENT {
        let key = key.strip_prefix("telemetry.").unwrap();
        assert!(defaults.contains(&format!("({name})")), "{name}");
        assert!(defaults.contains(&format!("\n{key} = ")), "{key}");
    }
}
