//! How far a load is: a bar on a terminal, log lines elsewhere.

use std::fmt::{self, Write};
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressState, ProgressStyle};
use tokio::task::JoinHandle;
use tracing::{Instrument as _, info};

const INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far a load is: a bar on a terminal, a log line every 5 s elsewhere. Ends when dropped.
pub(crate) struct Progress {
    now: Arc<Now>,
    bar: Option<ProgressBar>,
    lines: Option<JoinHandle<()>>,
}

struct Now {
    phase: Mutex<String>,
    rows: AtomicU64,
    /// Of all coupon files so far.
    scan: Arc<coupon_scan::Progress>,
    started: Instant,
}

impl Progress {
    pub(crate) fn start() -> Progress {
        let now = Arc::new(Now {
            phase: Mutex::new("comparing with the active data".to_owned()),
            rows: AtomicU64::new(0),
            scan: Arc::default(),
            started: Instant::now(),
        });
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {msg}{scanned} · {human_pos} rows staged · {elapsed}")
            {
                let scan = Arc::clone(&now.scan);
                bar.set_style(
                    style.with_key("scanned", move |_: &ProgressState, out: &mut dyn Write| {
                        // The bar goes on without a word that cannot be written.
                        let _ = write_scanned(&scan, out);
                    }),
                );
            }
            return Progress {
                now,
                bar: Some(bar),
                lines: None,
            };
        }
        let lines = {
            let now = Arc::clone(&now);
            let say = async move {
                loop {
                    tokio::time::sleep(INTERVAL).await;
                    let phase = now.phase.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let (rows, elapsed) = (now.rows.load(Ordering::Relaxed), now.started.elapsed());
                    info!(
                        phase,
                        scanned_bytes = now.scan.read(),
                        bytes_to_scan = now.scan.total(),
                        staged_rows = rows,
                        elapsed_s = elapsed.as_secs(),
                        "loading goes on"
                    );
                }
            };
            tokio::spawn(say.in_current_span())
        };
        Progress {
            now,
            bar: None,
            lines: Some(lines),
        }
    }

    /// What is being done from here on.
    pub(crate) fn phase(&self, phase: &str) {
        phase.clone_into(&mut self.now.phase.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(bar) = &self.bar {
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_message(phase.to_owned());
        }
    }

    /// Where a scan of coupon files notes how far it is.
    pub(super) fn scan(&self) -> Arc<coupon_scan::Progress> {
        Arc::clone(&self.now.scan)
    }

    /// More rows were staged.
    pub(super) fn staged(&self, rows: usize) {
        self.now.rows.fetch_add(rows as u64, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(rows as u64);
        }
    }
}

/// How far the scan of coupon files is, if there is one.
fn write_scanned(scan: &coupon_scan::Progress, out: &mut dyn Write) -> fmt::Result {
    match scan.total() {
        0 => Ok(()),
        total => write!(out, " · {} of {}", BinaryBytes(scan.read()), BinaryBytes(total)),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(lines) = &self.lines {
            lines.abort();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
