//! What docs/OPERATIONS.md says of exit codes is what the tests show.

use std::collections::BTreeSet;

use crate::repository;

/// Names of the functions in the tests of the programs that share the exit codes.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = ["database-migration", "database-load", "tests/system"]
        .map(repository::path)
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let functions = text.split("fn ").skip(1);
                let name = |rest: &str| rest.split(['(', '<']).next().unwrap_or_default().to_owned();
                found.extend(functions.map(name));
            }
        }
    }
    found
}

#[test]
fn every_test_that_the_table_of_exit_codes_names_is_there() {
    let text = repository::text("docs/OPERATIONS.md");
    let (_, table) = text.split_once("| code | meaning |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let functions = functions();

    let mut codes = Vec::new();
    for row in table.lines().skip(2) {
        let mut cells = row.trim_matches('|').split(" | ");
        codes.push(cells.next().unwrap().trim().to_owned());
        let tests = cells.skip(1).flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let tests: Vec<&str> = tests.collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            assert!(functions.contains(test), "{test}: {row}");
        }
    }

    let expected: Vec<String> = (0..=11).chain([143]).map(|code| code.to_string()).collect();
    assert_eq!(codes, expected);
}
