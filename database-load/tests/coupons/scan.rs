//! `coupons scan` prints the codes that stand in enough files.

use serde_json::{Value, json};

use crate::fixture::{Folder, gzip};

#[tokio::test]
async fn codes_that_stand_in_two_files_are_printed_sorted_one_a_line() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();

    let output = folder.scan([one, two]).await.exits(0);

    assert_eq!(output.stdout, "BIRTHDAY\nHAPPYHRS\n");
    assert_eq!(output.stderr, "");
}

#[tokio::test]
async fn no_valid_code_is_an_empty_output() {
    let folder = Folder::new();
    let files = [folder.write("a", ""), folder.write("b", "ONLYHERE\n")];

    let output = folder.scan(files).await;

    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_file_without_any_code_is_named() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    let quoted = folder.write("quoted.csv", "\"HAPPYHRS\",1\n\"BIRTHDAY\",2\n");

    let output = folder.scan([one, two, quoted.clone()]).await;

    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(0), "BIRTHDAY\nHAPPYHRS\n")
    );
    assert_eq!(
        output.stderr,
        format!("warning: {quoted} holds no line of 8 to 10 characters\n")
    );
}

#[tokio::test]
async fn min_files_asks_for_more_files() {
    let folder = Folder::new();
    let files = [
        folder.write("a", "INONEAAA\nINTHREEA\nINTWOAAA\n"),
        folder.write("b", "INTWOAAA\nINTHREEA\n"),
        folder.write("c", "INTHREEA\n"),
    ];

    for (min_files, codes) in [
        ("1", "INONEAAA\nINTHREEA\nINTWOAAA\n"),
        ("2", "INTHREEA\nINTWOAAA\n"),
        ("3", "INTHREEA\n"),
    ] {
        let arguments = files.iter().map(String::as_str).chain(["--min-files", min_files]);
        let output = folder.scan(arguments).await.exits(0);
        assert_eq!(output.stdout, codes, "--min-files {min_files}");
    }
}

#[tokio::test]
async fn plain_gzip_zstd_and_standard_input_are_mixed_freely() {
    let folder = Folder::new();
    let lines = "  HAPPYHRS\t\r\nshort\nlowercase\nOVER9000";
    let plain = folder.write("plain", lines);
    let members = [gzip("HAPPY"), gzip(""), gzip("HRS\nUNICODE\u{00e9}\n")].concat();
    let gzip = folder.write("gzip", members);
    // One raw block of a zstd frame with its content size: magic, header, block header, content.
    let content = b"HAPPYHRS\nOVER9000\n\xff\xff\xff\xff\xff\xff\xff\xff\n";
    let mut zstd = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, content.len() as u8];
    zstd.extend_from_slice(&((content.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    zstd.extend_from_slice(content);
    let zstd = folder.write("zstd", zstd);

    let script = "printf 'UNICODE\u{00e9}\\nHAPPYHRS\\n' | exec $scan \"$@\" - --stats --json";
    let output = folder.shell(script, &[&plain, &gzip, &zstd]).await.exits(0);

    assert_eq!(output.stdout, "HAPPYHRS\nOVER9000\nUNICODE\u{00e9}\n");
    let figures: Value = serde_json::from_str(&output.stderr).unwrap();
    assert_eq!(figures["not_utf8"], 1);
    assert_eq!(figures["lines"], 11);
}

#[tokio::test]
async fn pipes_are_read_once() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();

    let output = folder
        .shell("exec $scan <(cat $1) <(gzip -c $2)", &[&one, &two])
        .await
        .exits(0);

    assert_eq!(output.stdout, "BIRTHDAY\nHAPPYHRS\n");
}

#[tokio::test]
async fn stats_are_a_table_on_standard_error() {
    let folder = Folder::new();
    let files = [
        folder.write("a", "INBOTHAA\nINBOTHAA\nONLYHERE\nshort\n"),
        folder.write("b", b"INBOTHAA\n\xff\n"),
    ];

    let output = folder
        .scan(files.iter().map(String::as_str).chain(["--stats"]))
        .await;

    assert_eq!(output.stdout, "INBOTHAA\n");
    let table: Vec<(&str, &str)> = output
        .stderr
        .lines()
        .map(|line| {
            let (name, value) = line.split_at(line.rfind("  ").unwrap());
            (name.trim(), value.trim())
        })
        .collect();
    for figure in [
        ("lines", "6"),
        ("codes in range", "4"),
        ("distinct", "2"),
        ("repeats inside files", "1"),
        ("lines not UTF-8", "1"),
        ("valid", "1"),
    ] {
        assert!(table.contains(&figure), "{figure:?}: {}", output.stderr);
    }
    for name in ["seconds", "MB/s of text", "peak memory"] {
        assert!(
            table.iter().any(|(known, _)| *known == name),
            "{name}: {}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn json_is_one_value_with_the_figures_and_the_codes() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();

    let output = folder.scan([&one, &two, "--json"]).await;

    let figures: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(figures["codes"], json!(["BIRTHDAY", "HAPPYHRS"]));
    for (name, value) in [
        ("lines", 6),
        ("in_range", 6),
        ("distinct", 4),
        ("repeats", 0),
        ("valid", 2),
    ] {
        assert_eq!(figures[name], value, "{name}: {figures}");
    }
    assert!(figures["seconds"].as_f64().unwrap() > 0.0);
    assert!(figures["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    assert_eq!(figures["files"][1]["name"], two);
    assert_eq!(output.stderr, "");
}

#[tokio::test]
async fn the_codes_of_a_json_answer_go_where_out_says() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();

    let output = folder
        .scan([&one, &two, "--json", "--out", &folder.name("out")])
        .await;

    let figures: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&figures["valid"], &figures["codes"]), (&json!(2), &Value::Null));
    assert_eq!(
        std::fs::read_to_string(folder.path("out")).unwrap(),
        "BIRTHDAY\nHAPPYHRS\n"
    );
}

#[tokio::test]
async fn stats_in_json_are_one_line_on_standard_error() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();

    let output = folder.scan([&one, &two, "--stats", "--json"]).await;

    assert_eq!(output.stdout, "BIRTHDAY\nHAPPYHRS\n");
    assert_eq!(output.stderr.lines().count(), 1);
    let figures: Value = serde_json::from_str(&output.stderr).unwrap();
    assert_eq!(figures["valid"], 2);
}
