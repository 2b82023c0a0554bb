//! The progress bar of a scan on a terminal.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use coupon_scan::Progress;
use indicatif::{ProgressBar, ProgressStyle};

const INTERVAL: Duration = Duration::from_millis(100);
const TEMPLATE: &str = "{bar:30} {bytes} of {total_bytes} · {bytes_per_sec} · {eta} to go";

/// Shows on a terminal how far a scan is, in bytes of input; gone when dropped.
#[derive(Debug)]
pub(super) struct Meter(Option<(Sender<()>, JoinHandle<()>)>);

impl Meter {
    /// Shows nothing where standard error is no terminal.
    pub(super) fn start(progress: &Arc<Progress>) -> Meter {
        if !stderr().is_terminal() {
            return Meter(None);
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let (end, ended) = mpsc::channel();
        let progress = Arc::clone(progress);
        let show = move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                bar.set_length(progress.total());
                bar.set_position(progress.read());
            }
            bar.finish_and_clear();
        };
        Meter(Some((end, std::thread::spawn(show))))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some((end, shown)) = self.0.take() {
            drop(end);
            let _ = shown.join();
        }
    }
}
