//! What docs/OPERATIONS.md says about exit codes can be looked up.

use std::path::Path;

const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");

/// The cells of the table of exit codes.
fn rows() -> Vec<Vec<&'static str>> {
    let (_, section) = OPERATIONS.split_once("## Exit codes of").unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with("|---"));
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// All test sources of a package in one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}

#[test]
fn the_table_has_every_exit_code_once() {
    let codes: Vec<u8> = rows().iter().map(|row| row[0].parse().unwrap()).collect();

    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 143]);
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (column, package) in [(2, "database-migration"), (3, "database-load")] {
        let sources = sources(&repository.join(package).join("tests"));
        for row in rows() {
            let named = row[column].split('`').skip(1).step_by(2);
            for test in named {
                let has_test = sources.contains(&format!("fn {test}()"));
                assert!(has_test, "exit code {}: {package} has no test {test}", row[0]);
            }
        }
    }
}
