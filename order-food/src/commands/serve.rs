//! `order-food serve`: the API until SIGTERM.

use std::path::PathBuf;

use process::failure::{ExitCode, Failure};
use process::telemetry::{self, Role};
use tracing::info_span;

use crate::application::Application;
use crate::settings::Settings;

/// Serves with the settings of the defaults, `config` and the environment.
pub(super) fn serve(config: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let settings = Settings::load(config)?;
    let shutdown = process::signals::shutdown();
    let telemetry = telemetry::start("order-food", Role::Member, &settings.telemetry)?;
    actix_web::rt::System::new().block_on(async {
        let span = info_span!("api.start");
        telemetry.adopt(&span);
        let application = Application::build(settings, telemetry.request_sampler(), shutdown)?;
        application.run(span).await
    })
}
