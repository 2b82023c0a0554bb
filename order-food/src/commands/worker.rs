//! `order-food worker`: background jobs until SIGTERM.

use std::path::PathBuf;

use process::failure::{ExitCode, Failure, OrExit};
use process::telemetry::{self, Role};

use crate::settings::Settings;
use crate::worker;

/// Threads that run handlers: what they await is the database and the network.
const THREADS: usize = 2;

/// Works with the settings of the defaults, `config` and the environment.
pub(super) fn worker(config: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let settings = Settings::load(config)?;
    let shutdown = process::signals::shutdown();
    telemetry::start("order-food-workers", Role::Member, &settings.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .or_exit(ExitCode::Unexpected, "start")?;
    runtime.block_on(worker::run(settings, shutdown))
}
