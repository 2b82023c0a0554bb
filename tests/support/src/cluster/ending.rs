//! The end of the processes of a folder, however the process of the test ends.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Ends every process that names a folder in its arguments, and removes the folder, once this is
/// dropped or the process has ended.
#[derive(Debug)]
pub(crate) struct Ending {
    shell: Child,
    lifeline: Option<ChildStdin>,
}

impl Ending {
    /// The end of the processes of `home`.
    pub(crate) fn of(home: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", include_str!("ending.sh"), "ending"])
            .current_dir("/")
            .stdin(Stdio::piped())
            // Ctrl-C reaches the process of the test only; this one must outlive it to clean up.
            .process_group(0)
            .spawn()
            .expect("start sh");
        let mut lifeline = shell.stdin.take().expect("a piped standard input");
        writeln!(lifeline, "{}", home.display()).expect("name the folder");
        Self {
            shell,
            lifeline: Some(lifeline),
        }
    }

    /// Ends them now; returns when they are gone.
    pub(crate) fn end(&mut self) {
        drop(self.lifeline.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end();
    }
}
