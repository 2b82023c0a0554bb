//! Files that are not what they claim to be.

use coupon_scan::{ErrorKind, Input, Options, ScanError};

use crate::compression::{gzip, zstd};
use crate::inputs;

const TEXT: &[u8] = b"HAPPYHRS\nFIFTYOFF\nBUYGETON\n";

/// What is wrong with a file, and where.
fn damage(content: &[u8]) -> (u64, String) {
    let files = [TEXT, content];
    match coupon_scan::scan(&inputs(&files), &Options::default()) {
        Err(error @ ScanError::Damaged { .. }) => {
            assert_eq!(error.kind(), ErrorKind::Damaged);
            let ScanError::Damaged { file, offset, reason } = error else {
                unreachable!()
            };
            assert_eq!(file, "file 1");
            (offset, reason)
        }
        other => panic!("{other:?}"),
    }
}

fn text() -> Vec<u8> {
    (0..50_000u64)
        .map(|number| {
            format!(
                "{:010}\n",
                number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 10_000_000_000
            )
        })
        .collect::<String>()
        .into_bytes()
}

#[test]
fn a_flipped_bit_is_found() {
    let whole = gzip(&text());
    for at in [whole.len() / 3, whole.len() / 2, whole.len() - 9] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        let (offset, _) = damage(&damaged);
        // By the code that makes no sense, or by the sum at the end.
        assert!(
            (at as u64..=whole.len() as u64).contains(&offset),
            "{at}: {offset}"
        );
    }
}

#[test]
fn a_wrong_sum_or_size_is_found_at_the_end_of_its_member() {
    let member = gzip(TEXT);
    for (from_end, what) in [(8, "CRC"), (1, "size")] {
        let mut damaged = [member.clone(), member.clone(), member.clone()].concat();
        damaged[2 * member.len() - from_end] ^= 1;
        let (offset, reason) = damage(&damaged);
        assert_eq!(offset, 2 * member.len() as u64);
        assert!(reason.contains(what), "{reason}");
    }
}

#[test]
fn a_file_that_is_cut_off_is_damaged_wherever_it_was_cut() {
    let (gzip, zstd) = (gzip(TEXT), zstd(TEXT));
    for whole in [&gzip, &zstd] {
        // Fewer bytes do not tell what it was.
        let least = if whole == &gzip { 1 } else { 4 };
        for length in least..whole.len() {
            let (offset, _) = damage(&whole[..length]);
            assert_eq!(offset, length as u64);
        }
    }
}

#[test]
fn garbage_after_the_last_member_is_damage() {
    let member = gzip(TEXT);
    for garbage in [
        b"garbage".as_slice(),
        b"\0garbage",
        b"\0\x1f\x8b",
        b"\x1f\x8c",
        TEXT,
    ] {
        let (offset, reason) = damage(&[&member, garbage].concat());
        let at = offset - member.len() as u64;
        assert!(at <= 1, "{garbage:?}: {offset}");
        assert!(reason.contains("trailing data: garbage"), "{reason}");
    }
    let frame = zstd(TEXT);
    for garbage in [b"garbage".as_slice(), b"\0\0\0\0\0\0\0\0", TEXT] {
        let (offset, reason) = damage(&[&frame, garbage].concat());
        assert!(offset >= frame.len() as u64);
        assert!(reason.contains("trailing data: garbage"), "{reason}");
    }
}

#[test]
fn zeros_after_the_last_member_are_no_damage() {
    let member = gzip(TEXT);
    for zeros in [1, 7, 511, 300_000] {
        let padded = [&member, &member, vec![0; zeros].as_slice()].concat();
        let report = coupon_scan::scan(&inputs(&[TEXT, &padded]), &Options::default()).unwrap();
        assert_eq!(report.codes.len(), 3, "{zeros}");
    }
}

#[test]
fn a_byte_order_mark_is_cut_in_every_packing_and_other_texts_say_what_they_are() {
    let marked = [b"\xef\xbb\xbf", TEXT].concat();
    let joined = [gzip(&marked), gzip(&marked)].concat();
    for content in [
        marked.clone(),
        gzip(&marked),
        zstd(&marked),
        joined,
        marked.repeat(2),
    ] {
        let report = coupon_scan::scan(&inputs(&[TEXT, &content]), &Options::default()).unwrap();
        assert_eq!(report.codes.len(), 3, "{content:?}");
    }
    let wide: Vec<u8> = TEXT.iter().flat_map(|byte| [*byte, 0]).collect();
    let returns: Vec<u8> = TEXT
        .iter()
        .map(|byte| if *byte == b'\n' { b'\r' } else { *byte })
        .collect();
    for (text, says) in [
        ([b"\xff\xfe", wide.as_slice()].concat(), "UTF-16"),
        (wide, "UTF-16"),
        (returns, "CR alone"),
        (gzip(TEXT), "compressed twice"),
        (zstd(TEXT), "compressed twice"),
        (b"PK\x03\x04\x14\0\x08\0".to_vec(), "ZIP archive"),
        (b"BZh91AY&SY\xdd\n".to_vec(), "another program"),
        (b"<html><body>Log in</body></html>\n".to_vec(), "a page of HTML"),
    ] {
        let plain = (says != "compressed twice").then(|| text.clone());
        for content in [gzip(&text), zstd(&text)].into_iter().chain(plain) {
            let (offset, reason) = damage(&content);
            assert!(offset == 0 && reason.contains(says), "{reason}");
        }
    }
}

#[test]
fn a_wrong_sum_of_zstandard_is_found() {
    let mut damaged = zstd(TEXT);
    *damaged.last_mut().unwrap() ^= 1;
    let (_, reason) = damage(&damaged);
    assert!(reason.contains("checksum"), "{reason}");
}

#[test]
fn headers_are_checked() {
    for header in [
        b"\x1f\x8b\x07\0".as_slice(),
        b"\x1f\x8b\x08\xe0",
        b"\x1f\x8b\x08\x02\0\0\0\0\0\x03zz",
    ] {
        let (offset, _) = damage(&[header, &[0; 20]].concat());
        assert!(offset <= header.len() as u64, "{offset}");
    }
}

#[test]
fn a_file_called_gz_must_be_compressed_or_text() {
    let scan = |name: &str, content: &[u8]| {
        let inputs = [
            Input::content(name, content.into()),
            Input::content("other", TEXT.into()),
        ];
        coupon_scan::scan(&inputs, &Options::default()).map(|report| report.codes.len())
    };
    for name in ["codes.gz", "codes.GZ", "codes.zst"] {
        for content in [b"".as_slice(), b"\0\0\0\0", b"\x1e\x8b\x08\0\0\0\0\0"] {
            match scan(name, content) {
                Err(ScanError::Damaged { offset: 0, .. }) => (),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(scan(name, TEXT).unwrap(), 3);
        assert_eq!(scan(name, &gzip(TEXT)).unwrap(), 3);
    }
    assert_eq!(scan("codes", b"").unwrap(), 0);
}

#[test]
fn a_window_larger_than_the_memory_is_refused_before_it_is_taken() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, TEXT).unwrap();
    let wide = encoder.finish().unwrap();
    let later = [zstd(TEXT), wide.clone()].concat();
    for content in [&wide, &later] {
        let scan = |memory| {
            let options = Options {
                memory,
                ..Options::default()
            };
            coupon_scan::scan(&inputs(&[TEXT, content]), &options)
        };
        match scan(64 << 20) {
            Err(error @ ScanError::Window { .. }) => assert_eq!(error.kind(), ErrorKind::Usage),
            other => panic!("{other:?}"),
        }
        assert_eq!(scan(2 << 30).unwrap().codes.len(), 3);
    }
}
