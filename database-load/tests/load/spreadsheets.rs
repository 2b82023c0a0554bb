//! Files as spreadsheets and editors write them are read, or refused in words that say what to do.

use database_load::DatasetKind;
use process::failure::ExitCode;
use serde_json::Value;

use crate::fixture::{Data, findings, refused};
use crate::formats::read_all;
use crate::packing::{gzip, zstd};

const HEADER: &str = "id,name,price,category,development";

/// Reads the table and the rest of the shipped profile; what is said of the file otherwise.
async fn read(key: &str, file: &str, bytes: &[u8]) -> Result<database_load::Data, String> {
    let read = read_all(&Data::copy(), key, file, bytes.to_vec(), false).await;
    read.map_err(|failure| {
        assert_eq!(failure.code, ExitCode::InvalidData, "{}", failure.line());
        findings(&failure)
    })
}

/// The rows of a file of products.
pub(crate) async fn products(file: &str, bytes: &[u8]) -> Result<Vec<Value>, String> {
    let rows = read("products", file, bytes)
        .await?
        .rows(DatasetKind::Products)
        .unwrap();
    Ok(rows
        .iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect())
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[tokio::test]
async fn tables_are_read_as_spreadsheets_write_them() {
    let commas = format!("{HEADER}\n1,Tea,2.50,Drinks,FALSE\n2,\"Fish, \"\"big\"\"\",9.00,Fish,\n");
    let semicolons = commas
        .replace("Fish, ", "Fish; ")
        .replace("\"Fish; ", "§")
        .replace(',', ";");
    let semicolons = semicolons.replace('§', "\"Fish, ");
    let tabs = commas
        .replace("\"Fish, ", "§")
        .replace(',', "\t")
        .replace('§', "\"Fish, ");
    let files = [
        ("LibreOffice, Google Sheets", commas.clone()),
        (
            "Excel, CSV UTF-8",
            format!("\u{feff}{}", commas.replace('\n', "\r\n")),
        ),
        ("Excel for Mac, CSV Macintosh", commas.replace('\n', "\r")),
        ("Excel where the comma is the decimal sign", semicolons.clone()),
        (
            "Numbers, European",
            format!("\u{feff}{}", semicolons.replace('\n', "\r\n")),
        ),
        ("tabs", tabs.clone()),
        (
            "with a line that says the separator",
            format!("sep=;\r\n{}", semicolons.replace('\n', "\r\n")),
        ),
        ("with a line that says tabs", format!("\u{feff}sep=\t\n{tabs}")),
        (
            "with such a line, saved once more",
            format!("\"sep=;\";;;;\n{semicolons}"),
        ),
        ("with such a line, saved as commas", format!("Sep=,,,,\n{commas}")),
        ("joined to a mark of its own", format!("\u{feff}\u{feff}{commas}")),
        (
            "all values in quotes",
            commas.replace("1,Tea,2.50,Drinks,FALSE", r#""1","Tea","2.50","Drinks","FALSE""#),
        ),
        ("empty values in quotes", commas.replace("Fish,\n", "Fish,\"\"\n")),
        ("no end of the last line", commas.trim_end().to_owned()),
        ("empty lines at the end", format!("{commas}\r\n\n\n")),
        (
            "emptied rows",
            commas.replace("\n2", "\n,,,,\n,,,,\n2") + ",,,,\n",
        ),
        ("emptied columns", commas.replace('\n', ",,\n")),
        (
            "ends of lines of all kinds",
            commas.replacen('\n', "\r\n", 1).replacen("FALSE\n", "FALSE\r", 1),
        ),
    ];
    for (case, text) in files {
        for bytes in [text.clone().into_bytes(), gzip(&text), zstd(&text)] {
            let read = products("menu.csv", &bytes).await.expect(case);
            let names: Vec<&Value> = read.iter().map(|row| &row["name"]).collect();
            assert_eq!(names, ["Tea", "Fish, \"big\""], "{case}: {text:?}");
        }
    }
}

#[tokio::test]
async fn words_for_true_and_false_are_taken_in_any_case() {
    let text = |word: &str| format!("{HEADER}\n1,Tea,2.50,Drinks,{word}\n");
    let json = r#"[{"id": "1", "name": "Tea", "price": 2.5, "category": "Drinks", "development": "TRUE"}]"#;
    let marked = ["TRUE", "True", "true", "\"TRUE\""].map(|word| ("menu.csv", text(word)));
    for (file, text) in marked.into_iter().chain([("menu.json", json.to_owned())]) {
        let read = read_all(&Data::copy(), "products", file, text.into_bytes(), true).await;
        let failure = read.expect_err(file);
        refused(&failure, ExitCode::Usage, " is marked `development`");
    }
    for word in ["FALSE", "False", ""] {
        assert_eq!(
            products("menu.csv", text(word).as_bytes())
                .await
                .map(|rows| rows.len()),
            Ok(1)
        );
    }
    for word in ["WAHR", "VRAI", "VERDADERO", "yes", "1", "x"] {
        let said = products("menu.csv", text(word).as_bytes()).await.unwrap_err();
        let says = format!(
            "menu.csv:2, column development, value \"{word}\": is neither true nor false; a spreadsheet"
        );
        assert!(said.starts_with(&says), "{said}");
    }
}

#[tokio::test]
async fn malformed_quotes_are_refused_with_line_and_column() {
    let inside = "a quote stands in a value without quotes around it";
    let after = "text follows the closing quotes";
    let unclosed = "ends inside the quotes that begin here";
    let rows = [
        (r#"1,"12" Pizza",9.99,Pizza,"#, "2, column name: ", after, 7),
        (r#"1,"Big" Mac,5.00,Burger,"#, "2, column name: ", after, 8),
        (r#"1,"Mac \"Big\"",9.99,B,"#, "2, column name: ", after, 10),
        (r#"1,A,"1"2.00,C,"#, "2, column price: ", after, 8),
        (r#"1,12" Pizza,9.99,Pizza,"#, "2, column name: ", inside, 5),
        (r#"1, "Pizza",9.99,Pizza,"#, "2, column name: ", inside, 4),
        (r#"1,Pizza",9.99,Pizza,"#, "2, column name: ", inside, 8),
        (
            r#"1,Pizza,9.99,Pizza,"false" "#,
            "2, column development: ",
            after,
            27,
        ),
        (r#"1,'Pizza "big"',9.99,Pizza,"#, "2, column name: ", inside, 10),
        (r#"1,"Crêpe"s,9.99,Pizza,"#, "2, column name: ", after, 10),
        ("1,\"Pizza\nbig\"s,9.99,Pizza,", "3, column name: ", after, 5),
        ("1,\"Pizza\r\nbig\"s,9.99,Pizza,", "3, column name: ", after, 5),
        ("1,\"Pizza\rbig\"s,9.99,Pizza,", "3, column name: ", after, 5),
        ("1,\"Pizza,9.99,Pizza,", "2: ", unclosed, 3),
        ("1,\"Pizza,9.99,Pizza,\n2,Tea,1.00,Drinks,\n", "2: ", unclosed, 3),
        ("1,\"Pizza\"\",9.99,Pizza,\n", "2: ", unclosed, 3),
    ];
    for separator in [",", ";", "\t"] {
        for (row, place, reason, character) in rows {
            let text = format!("{HEADER}\n{row}\n").replace(',', separator);
            let said = products("menu.csv", text.as_bytes()).await.expect_err(&text);
            let says = format!("menu.csv:{place}{reason}");
            assert!(said.starts_with(&says), "{text:?}: {said}");
            assert!(
                said.contains(&format!("(character {character})")),
                "{text:?}: {said}"
            );
        }
    }
    // One bad row does not hide the next, and no value of it is read.
    let all: String = rows[..10].iter().map(|(row, ..)| format!("{row}\n")).collect();
    let said = products(
        "menu.csv",
        format!("{HEADER}\n{all}2,Tea,-1,Drinks,\n").as_bytes(),
    )
    .await
    .unwrap_err();
    let lines: Vec<&str> = said
        .lines()
        .map(|line| line.split([',', ' ']).next().unwrap())
        .collect();
    let expected: Vec<String> = (2..=12).map(|line| format!("menu.csv:{line}")).collect();
    assert_eq!(lines, expected, "{said}");
    let header = products("menu.csv", b"id,\"na\"me,price,category\n1,Tea,1,Drinks\n")
        .await
        .unwrap_err();
    assert!(header.starts_with("menu.csv:1: text follows"), "{header}");
}

#[tokio::test]
async fn malformed_quotes_are_refused_in_every_table_and_secrets_are_not_shown() {
    let id = "018f4e5a-0000-7000-8000-0000000000a1";
    let key =
        format!("id,key,user,scopes\n{id},\"S3CRET\"x,018f4e5a-0000-7000-8000-000000000002,create_order\n");
    let promotion = "code,kind,value\nSAVE,fixed,\"1\"2.00\n";
    for (table, text, says) in [
        ("api_keys", key.as_str(), "menu.csv:2, column key: text follows"),
        ("promotions", promotion, "menu.csv:2, column value: text follows"),
    ] {
        let said = read(table, "menu.csv", text.as_bytes()).await.unwrap_err();
        assert!(said.starts_with(says), "{said}");
        assert!(!said.contains("S3CRET"), "{said}");
    }
}

#[tokio::test]
async fn separators_and_encodings_that_are_not_taken_are_named() {
    let table = "id,name,price,category\n1,Tea,2.50,Drinks\n";
    let cases: [(Vec<u8>, &str); 22] = [
        (
            table.replace(',', "|").into(),
            "menu.csv:1: the columns are separated by `|`; commas, semicolons or tabs",
        ),
        (
            table.replace(',', ":").into(),
            "menu.csv:1: the columns are separated by `:`",
        ),
        (
            table.replace(',', " ").into(),
            "menu.csv:1: the columns are separated by ` `",
        ),
        (
            table.replace("1,Tea,2.50,", "1;Tea;2.50;").into(),
            "menu.csv:2: has 1 columns, the header has 4; its values are separated by `;`, those of the header by `,`",
        ),
        (
            table.replace("1,Tea,2.50,", "1\tTea\t2.50\t").into(),
            "menu.csv:2: has 1 columns, the header has 4; its values are separated by tabs",
        ),
        (
            table.replace(',', ";").replace("2.50", "2,50").into(),
            "menu.csv:2, column price, value \"2,50\": an amount is",
        ),
        (
            utf16(&format!("\u{feff}{table}"), u16::to_le_bytes),
            "menu.csv:1: is UTF-16",
        ),
        (
            utf16(&format!("\u{feff}{table}"), u16::to_be_bytes),
            "menu.csv:1: is UTF-16",
        ),
        (utf16(table, u16::to_le_bytes), "menu.csv:1: is UTF-16"),
        (utf16(table, u16::to_be_bytes), "menu.csv:1: is UTF-16"),
        (
            b"PK\x03\x04\x14\0\x06\0".into(),
            "menu.csv:1: is a workbook of a spreadsheet",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1".into(),
            "menu.csv:1: is a workbook of a spreadsheet",
        ),
        (
            utf16(&table.replace("id,", "\u{4e2d},"), u16::to_le_bytes),
            "menu.csv:1: is UTF-16",
        ),
        (gzip(gzip(table)), "menu.csv:1: is compressed twice"),
        (gzip(zstd(table)), "menu.csv:1: is compressed twice"),
        (
            b"BZh91AY&SY\xdd\xa9".into(),
            "menu.csv:1: is compressed with another program than gzip or zstd",
        ),
        (
            b"<!doctype html>\n<title>Log in</title>".into(),
            "menu.csv:1: is a page of HTML or XML",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n".into(),
            "menu.csv:1: is a pointer of Git LFS",
        ),
        (
            format!("sep=|\n{}", table.replace(',', "|")).into(),
            "menu.csv:1: the columns are separated by `|`; commas",
        ),
        (
            table
                .replace("Tea", "Th\u{e9}")
                .chars()
                .map(|character| character as u8)
                .collect(),
            "menu.csv:2, column name, value \"Th\u{fffd}\": is not UTF-8; spreadsheets call it",
        ),
        (
            table
                .replace("Drinks", "Drinks,")
                .replace("category", "category,")
                .replace("s,\n", "s,x\n")
                .into(),
            "menu.csv:2: has a value in column 5, which has no name",
        ),
        (b"".into(), "menu.csv:1: is empty"),
    ];
    for (bytes, says) in cases {
        let said = products("menu.csv", &bytes).await.expect_err(says);
        assert!(said.starts_with(says), "{says}\n{said}");
    }
    for file in ["menu.json", "menu.jsonl"] {
        let json = "[{\"id\": \"1\"}]";
        let said = products(file, &utf16(&format!("\u{feff}{json}"), u16::to_le_bytes))
            .await
            .unwrap_err();
        assert!(said.starts_with(&format!("{file}:1: is UTF-16")), "{said}");
    }
}

#[tokio::test]
async fn lines_are_counted_whatever_ends_them() {
    let csv = "id,name,price,category\n1,Tea,2.50,Drinks\n\n2,\"Big\nTea\",x,Drinks\n3,Tea,y,Drinks\n";
    let jsonl = "{\"id\": \"1\", \"name\": \"Tea\", \"price\": 1, \"category\": \"Drinks\"}\n\n\
                 {\"id\": \"2\", \"name\": \"Tea\", \"price\": \"x\", \"category\": \"Drinks\"}\n\n{\"id\": 3\n";
    let json = jsonl.replace("}\n", "},\n").replace("\"}, \n", "\"}\n");
    let json = format!(
        "[\n{}",
        json.replace(
            "\n{\"id\": 3",
            "\n{\"id\": \"3\", \"name\": \"T\", \"price\": \"y\", \"category\": \"D\"}\n]"
        )
    );
    for (file, text, lines) in [
        ("menu.csv", csv, [4, 6]),
        ("menu.jsonl", jsonl, [3, 5]),
        ("menu.json", json.as_str(), [4, 6]),
    ] {
        for end in ["\n", "\r\n", "\r"] {
            let said = products(file, text.replace('\n', end).as_bytes())
                .await
                .unwrap_err();
            for line in lines {
                assert!(
                    said.contains(&format!("{file}:{line}")),
                    "{end:?}: {line}: {said}"
                );
            }
        }
    }
}

#[tokio::test]
async fn invisible_names_are_refused_in_every_table() {
    let user = "018f4e5a-0000-7000-8000-000000000002";
    for invisible in ["\u{200b}", "\u{feff}", "\u{200d}\u{2060}", "\u{3164}", "\u{ad}"] {
        for (table, file, text, column) in [
            (
                "products",
                "menu.csv",
                format!("id,name,price,category\n1,{invisible},1,Drinks\n"),
                "name",
            ),
            (
                "products",
                "menu.csv",
                format!("id,name,price,category\n1,Tea,1,{invisible}\n"),
                "category",
            ),
            (
                "products",
                "menu.csv",
                format!("id,name,price,category,image_mobile\n1,Tea,1,Drinks,{invisible}\n"),
                "image_mobile",
            ),
            (
                "promotions",
                "menu.jsonl",
                format!("{{\"code\": \"{invisible}\", \"kind\": \"fixed\", \"value\": 1}}"),
                "code",
            ),
            (
                "users",
                "menu.json",
                format!(
                    "[{{\"id\": \"{user}\", \"email\": \"a@b\", \"name\": \"{invisible}\", \"role\": \"staff\"}}]"
                ),
                "name",
            ),
        ] {
            let said = read(table, file, text.as_bytes()).await.expect_err(&text);
            assert!(
                said.contains(&format!("column {column}")),
                "{invisible:?}: {said}"
            );
        }
    }
}
