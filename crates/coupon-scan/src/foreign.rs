//! Files that are no plain text, told by their first bytes.

/// Bytes of a text that show whether it is one.
pub(crate) const HEAD: usize = 512;

const WIDE: &str =
    "UTF-16, which spreadsheets call \"Unicode text\"; UTF-8 is expected: save it as \"CSV UTF-8\"";
const WIDER: &str = "UTF-32; UTF-8 is expected";
const ZIP: &str =
    "a workbook of a spreadsheet or a ZIP archive; save the sheet as \"CSV UTF-8\", or unpack the archive";
const WORKBOOK: &str = "a workbook of a spreadsheet; save the sheet as \"CSV UTF-8\"";
const TWICE: &str = "compressed twice; once is expected";
const OTHER: &str =
    "compressed with another program than gzip or zstd; one of these or plain text is expected";
const ARCHIVE: &str = "an archive; the file in it is expected";
const PAGE: &str = "a page of HTML or XML, perhaps that of a log-in or of an error";
const POINTER: &str = "a pointer of Git LFS; `git lfs pull` fetches the file";

/// What files of a kind begin with.
const KINDS: [(&[u8], &str); 18] = [
    (b"\xff\xfe\0\0", WIDER),
    (b"\0\0\xfe\xff", WIDER),
    (b"\xff\xfe", WIDE),
    (b"\xfe\xff", WIDE),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\xd0\xcf\x11\xe0", WORKBOOK),
    (b"\x1f\x8b", TWICE),
    (b"\x28\xb5\x2f\xfd", TWICE),
    (b"\xfd7zXZ\0", OTHER),
    (b"\x04\x22\x4d\x18", OTHER),
    (b"\x1f\x9d", OTHER),
    (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (b"Rar!\x1a\x07", ARCHIVE),
    (b"<!doctype ", PAGE),
    (b"<html", PAGE),
    (b"<?xml ", PAGE),
    (b"version https://git-lfs.", POINTER),
];

/// What a text is that begins with `head`, where it is none: the end of a sentence with "is". The
/// first 512 bytes tell it.
#[must_use]
pub fn foreign(head: &[u8]) -> Option<&'static str> {
    let head = head.get(..HEAD).unwrap_or(head);
    let begins = |magic: &[u8]| {
        let start = head.get(..magic.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(magic))
    };
    let known = KINDS.iter().find(|(magic, _)| begins(magic));
    let by_pattern = || match head {
        [
            b'B',
            b'Z',
            b'h',
            b'1'..=b'9',
            b'1',
            b'A',
            b'Y',
            b'&',
            b'S',
            b'Y',
            ..,
        ] => Some(OTHER),
        [1..=255, 0, 0, 0, 1..=255, 0, 0, 0, ..] | [0, 0, 0, 1..=255, 0, 0, 0, 1..=255, ..] => Some(WIDER),
        _ if head.get(257..262) == Some(b"ustar".as_slice()) => Some(ARCHIVE),
        _ if is_wide(head) => Some(WIDE),
        _ => None,
    };
    known.map(|(_, what)| *what).or_else(by_pattern)
}

/// Whether of each pair of bytes the same one is often NUL, and the other never is: Latin letters
/// in UTF-16.
fn is_wide(head: &[u8]) -> bool {
    let nuls = |first: usize| {
        let bytes = head.iter().skip(first).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (nuls(0), nuls(1));
    even.min(odd) == 0 && even.max(odd) >= 2 && even.max(odd) >= head.len() / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn what_is_no_plain_text_is_told() {
        let tar = [b"codes.txt".as_slice(), &[0; 248], b"ustar\x0000", &[0; 247]].concat();
        for (head, what) in [
            (b"\xff\xfe\0\0H\0\0\0".to_vec(), "UTF-32"),
            (b"H\0\0\0A\0\0\0".to_vec(), "UTF-32"),
            (b"\0\0\0H\0\0\0A".to_vec(), "UTF-32"),
            (wide("\u{feff}HAPPYHRS\n", u16::to_le_bytes), "UTF-16"),
            (wide("HAPPYHRS\n", u16::to_be_bytes), "UTF-16"),
            (wide("\nHAPPYHRS\n", u16::to_le_bytes), "UTF-16"),
            (wide("中華まん\nHAPPYHRS\n", u16::to_le_bytes), "UTF-16"),
            (b"PK\x03\x04\x14\0".to_vec(), "ZIP archive"),
            (b"PK\x05\x06\0\0".to_vec(), "ZIP archive"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1".to_vec(), "workbook"),
            (b"\x1f\x8b\x08\0".to_vec(), "compressed twice"),
            (b"\x28\xb5\x2f\xfd\x04".to_vec(), "compressed twice"),
            (b"BZh91AY&SY\xdd".to_vec(), "another program"),
            (b"\xfd7zXZ\0\0\x04".to_vec(), "another program"),
            (b"\x04\x22\x4d\x18\x64".to_vec(), "another program"),
            (b"7z\xbc\xaf\x27\x1c\0".to_vec(), "an archive"),
            (tar, "an archive"),
            (b"<!DOCTYPE html>\n<html>".to_vec(), "a page of HTML"),
            (
                b"<?xml version=\"1.0\"?><Error>".to_vec(),
                "a page of HTML or XML",
            ),
            (
                b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
                "Git LFS",
            ),
        ] {
            assert!(foreign(&head).is_some_and(|told| told.contains(what)), "{head:?}");
        }
    }

    #[test]
    fn texts_are_not_taken_for_something_else() {
        for head in [
            b"".as_slice(),
            b"\0",
            b"A\0B\n",
            b"HAPPYHRS\n",
            b"\xef\xbb\xbfHAPPYHRS\n",
            b"BZH9CODE\nPKCODES1\n",
            b"HAPPYHRS\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"HAPPYHRS\0FIFTYOFF\0SUPER100\0",
            "中華まん\n".as_bytes(),
            b"id,name\n",
            b"[{\"id\": \"1\"}]",
        ] {
            assert_eq!(foreign(head), None, "{head:?}");
        }
    }
}
