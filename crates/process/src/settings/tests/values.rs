//! Tests of the conversion of values and of the refusals.

use super::*;

#[test]
fn texts_from_the_environment_become_what_the_setting_is() {
    let settings: Settings = load_with(
        None,
        &[
            ("PROFILES", "minimal, demo,"),
            ("PORT", " 0 "),
            ("DRAIN", "2"),
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
    assert_eq!(settings.server.drain, 2);
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
        (
            "[server]\nnote = 3",
            "FILE: server.note: integer `3` is not a string",
        ),
        (
            "[server]\nmetrics = 1",
            "FILE: server.metrics: `1` is not true or false",
        ),
        ("server = 1", "FILE: server: `1` is not a table"),
        (
            "profiles = [\"a\", 1]",
            "FILE: profiles[1]: integer `1` is not a string",
        ),
        ("profiles = \"a\"", "FILE: profiles: `\"a\"` is not a list"),
    ];

    for (text, expected) in table {
        assert_eq!(refused_file(text), expected);
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
        "FILE: database.password: the value (redacted) is not a string"
    );
    assert!(!refused_file("[database]\npassword = \"hunter2").contains("hunter2"));
}
