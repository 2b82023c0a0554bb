//! Headers of the collector's requests: good entries are sent, others are one warning without them.

use super::super::{export, headers};
use super::{Receiver, export as send};

const VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// What is sent for this list, and what is warned of.
fn read(list: &str) -> (Vec<(String, String)>, Vec<String>) {
    let mut warnings = Vec::new();
    let headers = headers::parse(VARIABLE, list, &mut warnings);
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable();
    (pairs, warnings)
}

#[test]
fn lists_that_follow_the_specification_are_sent_without_a_warning() {
    for (list, sent) in [
        ("api-key=abc", vec![("api-key", "abc")]),
        (
            "Authorization=Basic%20dXNlcjpwdw==",
            vec![("authorization", "Basic dXNlcjpwdw==")],
        ),
        (
            "authorization=Bearer a.b-c",
            vec![("authorization", "Bearer a.b-c")],
        ),
        (" a = 1 ,\n b=2 ,,", vec![("a", "1"), ("b", "2")]),
        ("a=1,a=2", vec![("a", "2")]),
        ("a=1;property=2", vec![("a", "1;property=2")]),
        ("", vec![]),
        (" , ", vec![]),
    ] {
        let sent: Vec<_> = sent
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(read(list), (sent, Vec::new()), "{list:?}");
    }
}

#[test]
fn a_value_may_have_letters_beyond_ascii() {
    let mut warnings = Vec::new();

    let headers = headers::parse(VARIABLE, "x-scope=%C3%A4", &mut warnings);

    assert_eq!(headers["x-scope"].as_bytes(), "ä".as_bytes());
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn malformed_entries_are_one_warning_that_shows_nothing_of_them() {
    let good = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (list, fault) in [
        ("s3cret", "entry 1 has no `=`; it is left out"),
        ("s3cret: s3cret", "entry 1 has no `=`; it is left out"),
        (
            "=s3cret",
            "entry 1 has a name that is no HTTP header name; it is left out",
        ),
        (
            "Authorization: Bearer s3cret=",
            "entry 1 has a name that is no HTTP header name; it is left out",
        ),
        (
            "ñame=s3cret",
            "entry 1 has a name that is no HTTP header name; it is left out",
        ),
        ("s3cret=", "entry 1 has no value; it is left out"),
        (
            "a=s3cret\u{7}",
            "entry 1 has a control character in its value; it is left out",
        ),
        (
            "a=s3\ncret",
            "entry 1 has a control character in its value; it is left out",
        ),
        (
            "a=s3cret%0D%0Ahost%3A%20x",
            "entry 1 has a control character in its value; it is left out",
        ),
        (
            "a=s3cret%00",
            "entry 1 has a control character in its value; it is left out",
        ),
        ("a=s3cret\u{fffd}", "entry 1 is not UTF-8; it is left out"),
        (
            "content-length=3",
            "entry 1 names a header that every request sets by itself; it is left out",
        ),
        (
            "Content-Type=text/s3cret",
            "entry 1 names a header that every request sets by itself; it is left out",
        ),
        (
            "s3cret,a=s3cret%0A",
            "entry 1 has no `=`; it is left out, entry 2 has a control character in its value; it is left out",
        ),
    ] {
        let (sent, warnings) = read(list);
        assert_eq!(
            (sent, warnings.as_slice()),
            (vec![], &[format!("{VARIABLE}: {fault}")][..])
        );

        let (sent, warnings) = read(&format!("{list},b=2"));
        assert_eq!((sent, warnings.len()), (vec![good("b", "2")], 1), "{list:?}");
        assert!(!warnings.concat().contains("cret"), "{warnings:?}");
    }
}

#[test]
fn a_value_that_is_not_percent_encoded_is_sent_as_it_is_written() {
    for value in ["50%", "%ZZ", "a%2", "%FF", "100%25%"] {
        let (sent, warnings) = read(&format!("a={value},b=%25"));

        let expected = [
            ("a".to_owned(), value.to_owned()),
            ("b".to_owned(), "%".to_owned()),
        ];
        assert_eq!(sent, expected);
        assert_eq!(
            warnings,
            [format!(
                "{VARIABLE}: entry 1 is not percent-encoded; it is sent as it is written"
            )]
        );
    }
}

#[test]
fn requests_carry_the_headers_beside_their_own() {
    for compressed in [false, true] {
        let collector = Receiver::start();
        let headers = headers::parse(VARIABLE, "api-key=abc,content-type=text/plain", &mut Vec::new());
        let request = export::Request { headers, compressed };
        let endpoint = format!("{}/v1/traces", collector.endpoint()).parse().unwrap();
        let exporter = export::exporter(&endpoint, request).unwrap();

        send(&exporter);

        let sent = collector.headers();
        assert_eq!(sent["api-key"], "abc");
        assert_eq!(sent["content-type"], "application/x-protobuf");
        assert_eq!(
            sent.get("content-encoding").map(|encoding| encoding.as_bytes()),
            compressed.then_some(b"gzip".as_slice())
        );
        let agent = sent["user-agent"].to_str().unwrap();
        assert!(agent.starts_with("OTel-OTLP-Exporter-Rust/"), "{agent}");
    }
}
