//! Texts stand in one file: templates hold none of their own.

#[test]
fn templates_hold_no_words_of_their_own() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Those of the console are in a folder of their own.
        if path.is_dir() {
            continue;
        }
        let template = std::fs::read_to_string(&path).unwrap();
        let mut text = String::new();
        let mut rest = template.as_str();
        // Tags of HTML and of askama are left out, each to its own end.
        while let Some(at) = rest.find(['<', '{']) {
            text.push_str(&rest[..at]);
            let end = match &rest[at..] {
                tag if tag.starts_with("{{") => "}}",
                tag if tag.starts_with("{%") => "%}",
                tag if tag.starts_with("{#") => "#}",
                tag => tag_end(tag),
            };
            let after = rest[at..]
                .find(end)
                .unwrap_or_else(|| panic!("{path:?}: {}", &rest[at..]));
            rest = &rest[at + after + end.len()..];
        }
        text.push_str(rest);
        let words: Vec<&str> = text
            .split(|letter: char| !letter.is_alphabetic())
            .filter(|word| word.len() > 1)
            .collect();
        assert!(words.is_empty(), "{path:?}: {words:?}");
        files += 1;
    }
    assert!(files > 5, "{files}");
}

/// A tag may hold tags of askama with their own `>`.
fn tag_end(tag: &str) -> &'static str {
    let plain = tag.find('>').unwrap_or(tag.len());
    match tag[..plain].rfind("{%") {
        Some(open) if !tag[open..plain].contains("%}") => "%}",
        _ => ">",
    }
}
