//! A chromedriver process of a test's own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_support::{Process, free_port};

/// A running chromedriver.
///
/// Its browsers speak with it through a pipe, and end when the pipe closes: nothing is left of
/// them, however a test ends.
pub(crate) struct Driver {
    process: Option<Process>,
    port: u16,
    folder: TempDir,
}

impl Driver {
    pub(crate) async fn start() -> Driver {
        // The client asks for a provider of TLS even for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Asked for port 0, it takes one of IPv6 and needs the same one of IPv4.
        let port = free_port();
        let arguments = [format!("--port={port}")];
        let mut process = Process::spawn(program("chromedriver"), arguments, &[]);
        process.wait_for_text("was started successfully").await;
        Driver {
            process: Some(process),
            port,
            folder: TempDir::new().expect("a folder for a profile"),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the browser keeps its profile.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the process and its browsers, and removes the profile.
    pub(crate) fn stop(&mut self) {
        self.process = None;
        let deadline = Instant::now() + Duration::from_secs(5);
        // A browser that is about to end may still write.
        while std::fs::remove_dir_all(self.folder()).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where a program is that `scripts/prerequisites.sh` installs.
pub(crate) fn program(name: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "PATH is no setting of a service")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing; type: scripts/prerequisites.sh"))
}
