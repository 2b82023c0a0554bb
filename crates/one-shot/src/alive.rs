//! The sign of life for a probe of Kubernetes: a file that a run writes every 5 s.

use std::path::{Path, PathBuf};
use std::time::Duration;

use process::failure::{ExitCode, Failure};
use process::report::ProcessOutcome;
use tokio::task::JoinHandle;
use tracing::debug;

/// Time between two writes; the first comes at once.
const INTERVAL: Duration = Duration::from_secs(5);

/// Age from which a run counts as hung, as for the heartbeat in the database.
const LIMIT: Duration = Duration::from_secs(60);

/// Writes the file until it is dropped.
#[derive(Debug)]
pub struct AliveFile(Option<JoinHandle<()>>);

impl Drop for AliveFile {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl AliveFile {
    /// Starts a task that writes `file`; none or an empty path: nothing is written. A write that
    /// fails is logged and left out.
    ///
    /// The task shares its threads with the run: code that blocks all of them keeps it from
    /// writing.
    #[must_use]
    pub fn keep(file: Option<&Path>) -> Self {
        let file = named(file).map(Path::to_owned);
        Self(file.map(|file| tokio::spawn(write(file))))
    }
}

async fn write(file: PathBuf) {
    loop {
        if let Err(error) = std::fs::write(&file, []) {
            debug!(file = %file.display(), %error, "the sign of life could not be written");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn named(file: Option<&Path>) -> Option<&Path> {
    file.filter(|file| !file.as_os_str().is_empty())
}

/// The subcommand `alive`: whether a run has written `file` within 60 s.
///
/// # Errors
/// `Usage` without a file; else `Unexpected`, which says how old the file is.
pub fn check(file: Option<&Path>) -> Result<ProcessOutcome, Failure> {
    let Some(file) = named(file) else {
        let message = "alive_file: is empty; name a file in ALIVE_FILE, for the run as for this command";
        return Err(Failure::new(ExitCode::Usage, message));
    };
    let shown = file.display();
    let written = std::fs::metadata(file).and_then(|about| about.modified());
    let problem = match written {
        // A file of the future: the clock was set back.
        Ok(written) => match written.elapsed().unwrap_or_default() {
            age if age <= LIMIT => return Ok(ExitCode::Done.into()),
            age => format!("{shown} was last written {} s ago: the run hangs", age.as_secs()),
        },
        Err(error) => format!("no run writes {shown}: {error}"),
    };
    Err(Failure::new(ExitCode::Unexpected, problem))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("alive-{}-{name}", std::process::id()))
    }

    #[tokio::test]
    async fn a_run_writes_the_file_at_once_and_no_longer_than_it_lives() {
        let file = path("run");
        let alive = AliveFile::keep(Some(&file));
        tokio::task::yield_now().await;
        assert!(check(Some(&file)).is_ok());

        drop(alive);
        let past = SystemTime::now() - LIMIT - Duration::from_secs(2);
        let handle = std::fs::File::options().write(true).open(&file).unwrap();
        handle.set_modified(past).unwrap();
        let failure = check(Some(&file)).unwrap_err();
        assert!(
            failure.to_string().contains("62 s ago: the run hangs"),
            "{failure}"
        );
        std::fs::remove_file(&file).unwrap();
        let failure = check(Some(&file)).unwrap_err();
        assert!(failure.to_string().contains("no run writes"), "{failure}");
    }

    #[tokio::test]
    async fn without_a_name_nothing_is_written_and_nothing_can_be_checked() {
        for file in [None, Some(Path::new(""))] {
            assert!(AliveFile::keep(file).0.is_none());
            assert_eq!(check(file).unwrap_err().code, ExitCode::Usage);
        }
    }
}
