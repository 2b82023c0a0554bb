//! Files that cannot be trusted or read: nothing is printed, nothing is left, the name and the
//! place are said.

use crate::fixture::{Folder, gzip};

/// Text that does not compress to nothing.
fn codes() -> String {
    (0..2_000_u64)
        .map(|number| format!("{:08}\n", number * 7_919 % 99_999_989))
        .collect()
}

#[tokio::test]
async fn damaged_gzip_is_exit_10_with_file_and_byte() {
    let whole = gzip(codes());
    let half = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[half] ^= 0x55;
    let mut sum = whole.clone();
    let at = sum.len() - 6;
    sum[at] ^= 1;
    let mut size = whole.clone();
    *size.last_mut().unwrap() ^= 1;
    for (case, content) in [
        ("cut off", whole[..half].to_vec()),
        ("cut off in the trailer", whole[..whole.len() - 3].to_vec()),
        ("cut off in the header", whole[..5].to_vec()),
        ("flipped", flipped),
        ("wrong sum", sum),
        ("wrong size", size),
        ("garbage behind", [whole.clone(), b"garbage".to_vec()].concat()),
        (
            "second member cut off",
            [whole.clone(), whole[..half].to_vec()].concat(),
        ),
        ("zero bytes", Vec::new()),
    ] {
        let folder = Folder::new();
        let good = folder.write("good.gz", &whole);
        let bad = folder.write("bad.gz", &content);
        let out = folder.write("out", "of yesterday");
        for arguments in [vec![&good, &bad], vec![&bad, &good]] {
            let output = folder.scan(arguments).await;
            assert_eq!(output.code, Some(10), "{case}: {}", output.stderr);
            assert_eq!(output.stdout, "", "{case}");
            let is_said = output.stderr.contains(&bad) && output.stderr.contains("at byte ");
            assert!(is_said, "{case}: {}", output.stderr);
            assert!(!output.stderr.contains(&good), "{case}: {}", output.stderr);
        }

        let output = folder.scan([&good, &bad, "--out", &out]).await;

        assert_eq!(output.code, Some(10), "{case}: {}", output.stderr);
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "of yesterday");
        assert_eq!(folder.files(), ["bad.gz", "good.gz", "out", "temp"], "{case}");
    }
}

#[tokio::test]
async fn damaged_zstd_is_exit_10_with_file_and_byte() {
    let folder = Folder::new();
    let good = folder.write("good", codes());
    // A frame that promises more than there is.
    let bad = folder.write(
        "bad.zst",
        [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x20, 0x01, 0x01, 0x00, b'H'],
    );

    let output = folder.scan([&good, &bad]).await.exits(10);

    output.assert_stderr("bad.zst");
    output.assert_stderr("at byte ");
    assert_eq!(output.stdout, "");
}

#[tokio::test]
async fn damaged_standard_input_is_named_so() {
    let folder = Folder::new();
    let good = folder.write("good", codes());
    let whole = gzip(codes());
    let bad = folder.write("bad", &whole[..whole.len() / 2]);

    let output = folder
        .shell("exec $scan $1 - <$2", &[&good, &bad])
        .await
        .exits(10);

    output.assert_stderr("standard input");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_exit_6() {
    let folder = Folder::new();
    let good = folder.write("good", codes());
    for name in ["nowhere", "temp"] {
        let output = folder.scan([&good, &folder.name(name)]).await;
        assert_eq!(output.code, Some(6), "{name}: {}", output.stderr);
        output.assert_stderr(&folder.name(name));
        assert_eq!(output.stdout, "");
    }
}
