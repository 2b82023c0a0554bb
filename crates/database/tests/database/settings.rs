//! Tests of the section `[database]`: refusals name the setting and never show a secret.

use database::{Database, Settings};

fn refused(settings: &Settings) -> String {
    let invalid = Database::new(settings, "test").err();
    invalid.expect("settings that cannot be used").to_string()
}

#[test]
fn a_bad_url_is_named_and_never_shown() {
    for bad in [
        "mysql://u:hunter2@h/db",
        "postgres://u:hunter2@h:70000/db",
        "postgres://u:hunter2@h/db?sslmode=hunter2x",
        "hunter2",
    ] {
        let message = refused(&test_support::settings(bad));
        assert!(message.starts_with("DATABASE_URL: "), "{message}");
        assert!(
            !message.contains("hunter2@") && !message.contains("u:"),
            "{message}"
        );
    }
}

#[test]
fn no_address_at_all_is_named() {
    let message = refused(&Settings::default());
    assert_eq!(message, "DATABASE_URL: neither it nor DB_HOST is set");
}

#[test]
fn hosts_among_the_parts_are_read_as_in_a_url() {
    let parts = |host: &str| Settings {
        host: Some(host.into()),
        port: Some(7.into()),
        name: Some("food".into()),
        ..Settings::default()
    };
    for (host, shown) in [
        ("[::1]", "::1:7/food"),
        ("fd00::2", "fd00::2:7/food"),
        (" h1 , [::1]", "h1:7,::1:7/food"),
        ("/cloudsql/shop:eu:db", "/cloudsql/shop:eu:db:7/food"),
    ] {
        let database = Database::new(&parts(host), "test").unwrap();
        assert_eq!(database.target(), shown, "{host}");
    }
    for (host, problem) in [
        ("db.example:5432", "DB_HOST: holds a port"),
        ("[::1]:5432", "DB_HOST: holds a port"),
        ("h1,[::1", "DB_HOST: holds a port or a half bracket"),
        ("h1,", "DB_HOST: a host between commas is empty"),
        ("tcp://10.0.0.1:5432", "DB_HOST: is not the name of a host"),
    ] {
        let message = refused(&parts(host));
        assert!(message.starts_with(problem), "{host}: {message}");
    }
}
