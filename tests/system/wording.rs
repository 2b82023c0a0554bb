//! Sections of default files, options and exit codes read the same in all services.

use crate::pod::{ALL, API, LOAD, MIGRATION, Pod};
use crate::repository;

/// Sections that the services share, and where their text stands once.
const SHARED: [(&str, &str); 2] = [
    ("database", "crates/database/src/defaults.toml"),
    ("telemetry", "crates/process/src/telemetry/defaults.toml"),
];

/// What differs on purpose: service, section, key.
const DIFFERENT: [(&str, &str, &str); 1] = [(API, "telemetry", "log_level")];

/// The section's head, then its keys, each with its comment: what stands between empty lines.
fn section<'a>(file: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("[{name}]");
    let begins = |part: &str| part.lines().any(|line| line.starts_with('['));
    let is_wanted = |part: &str| part.lines().any(|line| line == head);
    let parts = file.split("\n\n").map(str::trim_end);
    let mut wanted = parts.skip_while(|part| !is_wanted(part));
    let head = wanted.next().unwrap_or_else(|| panic!("no section {name}"));
    let keys = wanted.take_while(|part| !begins(part));
    std::iter::once(head).chain(keys).collect()
}

fn has_key(part: &str, key: &str) -> bool {
    part.lines().any(|line| line.starts_with(&format!("{key} = ")))
}

#[test]
fn the_sections_that_services_share_are_one_text() {
    for (name, source) in SHARED {
        let source = repository::text(source);
        for service in ALL {
            let file = repository::text(&format!("{service}/config/default.toml"));
            let (common, own) = (section(&source, name), section(&file, name));
            assert_eq!(own.len(), common.len(), "{service}: [{name}]");
            for (own, common) in own.into_iter().zip(common) {
                let is_different = DIFFERENT.iter().any(|(of, in_section, key)| {
                    (*of, *in_section) == (service, name) && has_key(common, key)
                });
                match is_different {
                    true => assert_ne!(own, common, "{service}: no longer different"),
                    false => assert_eq!(own, common, "{service}"),
                }
            }
        }
    }
}

/// The keys of the database that are numbers; all others are texts, empty by default.
fn numbers() -> [(&'static str, u64); 2] {
    let defaults = database::Settings::default();
    [
        ("connect_timeout_s", defaults.connect_timeout_s),
        ("statement_timeout_s", defaults.statement_timeout_s),
    ]
}

#[test]
fn the_database_section_holds_every_key_with_its_variable_and_its_default() {
    let section = repository::text("crates/database/src/defaults.toml");
    for (variable, key) in database::ENVIRONMENT {
        let key = key.strip_prefix("database.").unwrap();
        let mut described = section.split("\n\n").filter(|part| has_key(part, key));
        let part = described.next().unwrap_or_else(|| panic!("{key} is missing"));
        let (_, variables) = part.rsplit_once('(').unwrap();
        let mut named = variables
            .lines()
            .next()
            .unwrap()
            .trim_end_matches(')')
            .split(", ");
        assert!(named.any(|name| name == *variable), "{variable}: {part}");
        let is_number = numbers().iter().any(|(name, _)| *name == key);
        assert!(
            is_number || part.lines().any(|line| line == format!("{key} = \"\"")),
            "{part}"
        );
    }
    for (key, default) in numbers() {
        assert!(section.contains(&format!("\n{key} = {default}\n")), "{key}");
    }
}

#[tokio::test]
async fn the_help_of_every_program_has_the_same_config_option_and_names_its_exit_codes() {
    let pod = Pod::without_database();
    for (program, codes) in [
        (MIGRATION, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 143].as_slice()),
        (LOAD, &[0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 143]),
        (API, &[0, 1, 2, 3, 6, 7, 8, 9, 143]),
    ] {
        let help = pod.run(program, &["--help"]).await.stdout;

        let words: Vec<&str> = help.split_whitespace().collect();
        let config = "--config <FILE> TOML file laid over the defaults; the environment goes over both";
        assert!(words.join(" ").contains(config), "{program}: {help}");
        let (_, exits) = help
            .split_once("\nExit status")
            .unwrap_or_else(|| panic!("{program}: {help}"));
        let mut named: Vec<u8> = exits
            .lines()
            .skip(1)
            .flat_map(|line| line.split("  "))
            .filter_map(|part| part.trim().split_once(' ')?.0.parse().ok())
            .collect();
        named.sort_unstable();
        assert_eq!(named, codes, "{program}: {help}");
    }
}
