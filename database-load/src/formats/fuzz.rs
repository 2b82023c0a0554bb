//! Random files: none is read otherwise than it was written, and what is wrong is said by its line.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Cell, Column, Findings, Format, Row, Sink, member, optional, read_text, required};

const COLUMNS: &[Column] = &[
    required("id"),
    required("name"),
    optional("price"),
    member("image", "image_mobile"),
];

/// Lines and cells of the rows, and what is wrong with the others.
type Outcome = (Vec<(u64, Vec<(String, String)>)>, Findings);

fn outcome(format: Format, text: &[u8]) -> Outcome {
    let (mut rows, mut findings) = (Vec::new(), Findings::default());
    let mut take = |row: &Row, _: &mut Findings| {
        let cells = row.cells.iter().map(|(name, cell)| {
            let (Cell::Text(text) | Cell::Json(text)) = cell;
            (name.clone(), text.clone())
        });
        rows.push((row.line, cells.collect()));
    };
    let file = Arc::from("file");
    let mut sink = Sink {
        file: &file,
        columns: COLUMNS,
        findings: &mut findings,
        take: &mut take,
    };
    read_text(format, text, &mut sink);
    (rows, findings)
}

/// Rows come in the order of their lines, and every finding names a line of the file.
fn check_lines((rows, findings): &Outcome, text: &[u8]) -> Result<(), TestCaseError> {
    let lines = 1 + text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
    prop_assert!(rows.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    prop_assert!(rows.iter().all(|(line, _)| (1..=lines).contains(line)));
    prop_assert!(findings.rows.iter().all(|row| (1..=lines).contains(&row.line)));
    Ok(())
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

/// A value, and how RFC 4180 writes it: in quotes where it must be, or anyway.
fn value() -> impl Strategy<Value = (String, String)> {
    ("[a,;\t\"\r\n é]{0,6}", any::<bool>()).prop_map(|(value, in_quotes)| {
        let written = match in_quotes || value.contains([',', ';', '\t', '"', '\r', '\n']) {
            true => quoted(&value),
            false => value.clone(),
        };
        (value, written)
    })
}

fn damaged(text: String, cuts: &[(prop::sample::Index, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    for (at, piece) in cuts {
        let at = at.index(bytes.len() + 1);
        let end = (at + piece.len() / 2).min(bytes.len());
        bytes.splice(at..end, piece.iter().copied());
    }
    bytes
}

fn damage(alphabet: &'static [u8]) -> impl Strategy<Value = Vec<(prop::sample::Index, Vec<u8>)>> {
    let piece = prop::collection::vec(prop::sample::select(alphabet), 0..4);
    prop::collection::vec((any::<prop::sample::Index>(), piece), 0..4)
}

const CSV: &[u8] = b"\"\"\",,;\t\r\n\n 1a\xc3\xa9\xff\0";
const JSON: &[u8] = b"{}[]\"\"\\:,,\r\n\n 1e-.tnu\xc3\xa9\xff\0";

proptest! {
    #[test]
    fn fuzz_csv_by_the_rules_is_read_as_it_was_written(
        rows in prop::collection::vec((value(), value(), value()), 1..6),
        separator in prop::sample::select(vec![",", ";", "\t"]),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        is_ended in any::<bool>(),
    ) {
        let mut lines = vec![["id", "name", "price"].join(separator)];
        lines.extend(rows.iter().map(|(id, name, price)| [&*id.1, &name.1, &price.1].join(separator)));
        let text = lines.join(end) + if is_ended { end } else { "" };

        let (read, findings) = outcome(Format::Csv, text.as_bytes());

        prop_assert_eq!(findings, Findings::default(), "{:?}", text);
        let cells = |row: &[(&str, &str); 3]| -> Vec<(String, String)> {
            let given = row.iter().filter(|(_, value)| !value.is_empty());
            given.map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let written = rows.iter().map(|(id, name, price)| cells(&[("id", &id.0), ("name", &name.0), ("price", &price.0)]));
        let written: Vec<_> = written.filter(|cells| !cells.is_empty()).collect();
        prop_assert_eq!(read.into_iter().map(|(_, cells)| cells).collect::<Vec<_>>(), written, "{:?}", text);
    }

    #[test]
    fn fuzz_csv_that_is_damaged_says_so_or_reads_the_same_in_quotes(
        rows in prop::collection::vec((value(), value()), 0..4),
        cuts in damage(CSV),
    ) {
        let lines = rows.iter().map(|((_, id), (_, name))| format!("{id},{name}\n"));
        let text = damaged(format!("id,name\n{}", lines.collect::<String>()), &cuts);

        let outcome = outcome(Format::Csv, &text);

        check_lines(&outcome, &text)?;
        let again: String = outcome.0.iter().map(|(_, cells)| {
            let cell = |name: &str| cells.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value);
            ["id", "name", "price"].map(|name| quoted(cell(name))).join(",") + "\n"
        }).collect();
        let (read, findings) = self::outcome(Format::Csv, format!("id,name,price\n{again}").as_bytes());
        prop_assert_eq!(findings, Findings::default());
        let cells = |rows: Vec<(u64, Vec<(String, String)>)>| rows.into_iter().map(|(_, cells)| cells).collect::<Vec<_>>();
        prop_assert_eq!(cells(read), cells(outcome.0));
    }

    #[test]
    fn fuzz_json_lines_and_arrays_give_the_rows_that_serde_gives(
        names in prop::collection::vec("[a\"\\\\\r\n é]{0,4}", 0..4),
        is_array in any::<bool>(),
        cuts in damage(JSON),
    ) {
        let objects = names.iter().map(|name| {
            let name = serde_json::Value::from(name.as_str());
            format!("{{\"id\": \"1\", \"name\": {name}, \"image\": {{\"mobile\": {name}}}}}")
        });
        let objects: Vec<String> = objects.collect();
        let (format, text) = match is_array {
            true => (Format::Json, format!("[{}]", objects.join(",\n"))),
            false => (Format::JsonLines, objects.join("\n")),
        };
        let text = damaged(text, &cuts);

        let outcome = outcome(format, &text);

        check_lines(&outcome, &text)?;
        if cuts.is_empty() {
            prop_assert_eq!(outcome.1, Findings::default());
            prop_assert_eq!(outcome.0.len(), names.len());
        }
        for (line, cells) in outcome.0 {
            for (name, json) in cells {
                prop_assert!(COLUMNS.iter().any(|column| column.name == name));
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}: {}", line, json);
            }
        }
    }

    #[test]
    fn fuzz_any_bytes_are_rows_or_findings(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        format in prop::sample::select(vec![Format::Csv, Format::Json, Format::JsonLines]),
    ) {
        check_lines(&outcome(format, &bytes), &bytes)?;
    }
}
