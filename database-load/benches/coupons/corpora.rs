//! The corpora of the benchmark, generated once.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;

use crate::SCANNER;

/// A generated corpus on disk.
#[derive(Clone, Debug)]
pub(crate) struct Corpus {
    folder: PathBuf,
    files: Vec<String>,
    /// Bytes of all files, unpacked.
    pub(crate) text_bytes: u64,
}

#[derive(Deserialize)]
struct Expected {
    files: Vec<String>,
    text_bytes: u64,
}

impl Corpus {
    /// The corpus of this shape and scale; made if it is not there.
    pub(crate) fn of(folder: &Path, shape: &str, scale: f64) -> anyhow::Result<Corpus> {
        let folder = folder.join(format!("{shape}-{scale}"));
        let expected = folder.join("expected.json");
        if !expected.exists() {
            let made = Command::new(SCANNER)
                .args([
                    "coupons",
                    "generate",
                    "--shape",
                    shape,
                    "--scale",
                    &scale.to_string(),
                    "--out",
                ])
                .arg(&folder)
                .status()
                .context("make a corpus")?;
            anyhow::ensure!(made.success(), "make a corpus: {made}");
        }
        let text = std::fs::read(&expected).with_context(|| format!("read {}", expected.display()))?;
        let Expected { files, text_bytes } = serde_json::from_slice(&text)?;
        Ok(Corpus {
            folder,
            files,
            text_bytes,
        })
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = OsString> {
        self.files
            .iter()
            .map(|file| self.folder.join(file).into_os_string())
    }

    /// The file with the valid codes, as a scan prints them.
    pub(crate) fn valid(&self) -> PathBuf {
        self.folder.join("valid.txt")
    }

    /// Reads all files, so that the first command does not wait for the disk.
    pub(crate) fn warm(&self) -> io::Result<()> {
        for file in self.files() {
            io::copy(&mut File::open(file)?, &mut io::sink())?;
        }
        Ok(())
    }
}
