//! The signals that ask a process to stop.

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled on the first SIGTERM or SIGINT.
///
/// A second signal ends the process at once, with 143 (SIGTERM) or 130 (SIGINT). The signals are
/// awaited on a thread of their own, so that a busy or blocked runtime cannot hide them. Call once
/// per process, as early as possible: until then a signal ends the process by default.
#[must_use]
pub fn shutdown() -> CancellationToken {
    let token = CancellationToken::new();
    if let Err(error) = listen(token.clone()) {
        tracing::warn!(error = %error, "signals keep their default action: the process will not stop gracefully");
    }
    token
}

fn listen(token: CancellationToken) -> std::io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    // Both handlers stand before this returns: no signal falls between.
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = async move {
        loop {
            let status = tokio::select! {
                _ = terminate.recv() => 143,
                _ = interrupt.recv() => 130,
            };
            if token.is_cancelled() {
                std::process::exit(status);
            }
            token.cancel();
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(wait))?;
    Ok(())
}
