//! A folder of a test's own, and the binary run on what lies in it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use test_support::{Output, Process};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_database-load");

/// A folder that is gone with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::create_dir(folder.path().join("temp")).unwrap();
        Folder(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path as text.
    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.name(name)
    }

    /// What lies in the folder and in its `temp`, hidden files included.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for folder in [self.path(""), self.path("temp")] {
            for file in folder.read_dir().unwrap() {
                files.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        files.sort();
        files
    }

    /// Two small files with two codes in common, `BIRTHDAY` and `HAPPYHRS`.
    pub(crate) fn two_files(&self) -> [String; 2] {
        [
            self.write("one.txt", "HAPPYHRS\nBIRTHDAY\nONLYHERE\n"),
            self.write("two.txt", "BIRTHDAY\nHAPPYHRS\nOR_THERE\n"),
        ]
    }

    /// A scan whose temporary folder is this folder's.
    pub(crate) async fn scan<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.start(arguments).wait_output().await
    }

    pub(crate) fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Process {
        let mut all = vec!["coupons".into(), "scan".into(), "--temp-dir".into()];
        all.push(self.path("temp").into_os_string());
        all.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        Process::spawn(BINARY, all, &[])
    }

    /// The scan in a shell: `$scan` stands for the binary with its subcommand.
    pub(crate) async fn shell(&self, script: &str, arguments: &[&str]) -> Output {
        let temp = self.name("temp");
        let script = format!("set -- \"$@\"; scan='{BINARY} coupons scan --temp-dir {temp}'; {script}");
        let all = ["-c", &script, "sh"].into_iter().chain(arguments.iter().copied());
        Process::spawn("bash", all, &[]).wait_output().await
    }
}

pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// A corpus of the generator, made once for all tests that ask for it.
pub(crate) fn corpus(shape: &str, scale: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("corpus-{shape}-{scale}"));
    // Of tests that run at the same time one makes it, under a name of its own.
    if !folder.join("expected.json").exists() {
        let new = Folder::new();
        let status = Command::new(BINARY)
            .args(["coupons", "generate", "--shape", shape, "--scale", scale, "--out"])
            .arg(new.0.path())
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        std::fs::remove_dir(new.path("temp")).unwrap();
        // Another test may have been faster: its folder is as good.
        let _ = std::fs::rename(new.0.path(), &folder);
    }
    folder
}

/// Bytes that the process has read, all files together.
pub(crate) fn bytes_read(process: &Process) -> u64 {
    kernel_figure(process, "io", "rchar:")
}

/// Bytes that the process has written, all files together.
pub(crate) fn bytes_written(process: &Process) -> u64 {
    kernel_figure(process, "io", "wchar:")
}

/// A number of a file below `/proc`, 0 once the process has ended.
pub(crate) fn kernel_figure(process: &Process, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/{file}", process.id())).unwrap_or_default();
    let mut words = text.split_whitespace().skip_while(|word| *word != name);
    words.nth(1).map_or(0, |number| number.parse().unwrap())
}
