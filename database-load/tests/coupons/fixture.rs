//! A folder of a test's own, and the binary run on what lies in it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use test_support::{Output, Process};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_database-load");

/// A folder that is gone with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("coupons-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(folder.join("temp")).unwrap();
        Folder(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
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
        for folder in [self.0.clone(), self.path("temp")] {
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

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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
            .arg(&new.0)
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        std::fs::remove_dir(new.path("temp")).unwrap();
        // Another test may have been faster: its folder is as good.
        let _ = std::fs::rename(&new.0, &folder);
    }
    folder
}

/// Bytes that the process has read, all files together.
pub(crate) fn bytes_read(process: &Process) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{}/io", process.id())).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.map_or(0, |bytes| bytes.parse().unwrap())
}
