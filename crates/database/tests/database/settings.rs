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
