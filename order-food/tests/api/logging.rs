//! The messages that `docs/LOGGING.md` quotes are those of the code.

use std::fs;
use std::path::Path;

/// The sources of all programs, one after the other.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(path).unwrap();
        }
    }
}

/// The quoted messages of the tables `level | message | fields`.
fn messages(page: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let mut in_table = false;
    for line in page.lines() {
        in_table = line.starts_with("| level | message ") || (in_table && line.starts_with('|'));
        let Some(cell) = line.split(" | ").nth(1).filter(|_| in_table) else {
            continue;
        };
        let quoted = cell.split('`').skip(1).step_by(2);
        messages.extend(quoted.filter(|text| text.contains(' ')).map(str::to_owned));
    }
    messages
}

#[test]
fn every_message_that_the_page_quotes_is_logged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/LOGGING.md")).unwrap();
    let mut code = String::new();
    for folder in [
        "crates",
        "database-migration/src",
        "database-load/src",
        "order-food/src",
    ] {
        sources(&root.join(folder), &mut code);
    }

    let messages = messages(&page);

    assert!(messages.len() >= 12, "{messages:?}");
    for message in messages {
        let fixed = message.trim_end_matches('…').trim_end();
        assert!(code.contains(fixed), "no program logs {message:?}");
    }
}
