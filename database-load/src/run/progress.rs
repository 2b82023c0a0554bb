use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tracing::{Instrument as _, info};

const INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far a load is: a bar on a terminal, a log line every 5 s elsewhere. Ends when dropped.
pub(super) struct Progress {
    now: Arc<Now>,
    bar: Option<ProgressBar>,
    lines: Option<JoinHandle<()>>,
}

struct Now {
    phase: Mutex<String>,
    rows: AtomicU64,
    started: Instant,
}

impl Progress {
    pub(super) fn start() -> Progress {
        let now = Arc::new(Now {
            phase: Mutex::new("comparing with the data in force".to_owned()),
            rows: AtomicU64::new(0),
            started: Instant::now(),
        });
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {msg} · {human_pos} rows staged · {elapsed}")
            {
                bar.set_style(style);
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
    pub(super) fn phase(&self, phase: &str) {
        phase.clone_into(&mut self.now.phase.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(bar) = &self.bar {
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_message(phase.to_owned());
        }
    }

    /// More rows were staged.
    pub(super) fn staged(&self, rows: usize) {
        self.now.rows.fetch_add(rows as u64, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(rows as u64);
        }
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
