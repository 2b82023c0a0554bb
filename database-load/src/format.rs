//! Formats of the files of a table.

use serde::Deserialize;

/// What a table's file holds, once it is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// Comma-separated values with a header line.
    #[serde(rename = "csv")]
    Csv,
    /// An array of objects.
    #[serde(rename = "json")]
    Json,
    /// An object per line.
    #[serde(rename = "jsonl", alias = "ndjson")]
    JsonLines,
}

impl Format {
    /// What the name's ending says, that of the compression aside; upper or lower case.
    pub(crate) fn of(name: &str) -> Option<Format> {
        let name = name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(&name);
        let (_, ending) = name.rsplit_once('.')?;
        match ending {
            "csv" => Some(Format::Csv),
            "json" => Some(Format::Json),
            "jsonl" | "ndjson" => Some(Format::JsonLines),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides_whatever_the_compression() {
        for (name, format) in [
            ("menu.csv", Some(Format::Csv)),
            ("a/b.c/menu.CSV.GZ", Some(Format::Csv)),
            ("menu.json.zst", Some(Format::Json)),
            ("menu.jsonl", Some(Format::JsonLines)),
            ("menu.ndjson.zstd", Some(Format::JsonLines)),
            ("menu.csv.bz2", None),
            ("menu.gz", None),
            ("menu", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of(name), format, "{name}");
        }
    }
}
