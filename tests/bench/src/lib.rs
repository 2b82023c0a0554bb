//! Servers to compare order-food with: order-food itself, but for where its orders go.

use std::sync::Arc;

use order_food::orders::Substitute;
use order_food::{Application, Settings};
use process::failure::{ExitCode, Failure};
use process::telemetry::{self, Role};
use tracing::info_span;

/// Serves as `order-food serve` does, with the same settings from the environment, until SIGTERM;
/// placed orders go to what `store` makes.
pub fn serve(
    store: impl FnOnce(&Settings) -> Result<Arc<dyn Substitute>, Failure>,
) -> std::process::ExitCode {
    process::report::report(run(store))
}

fn run(store: impl FnOnce(&Settings) -> Result<Arc<dyn Substitute>, Failure>) -> Result<ExitCode, Failure> {
    let settings = Settings::load(None)?;
    let shutdown = process::signals::shutdown();
    let telemetry = telemetry::start("order-food", Role::Member, &settings.telemetry)?;
    actix_web::rt::System::new().block_on(async {
        let span = info_span!("api.start");
        telemetry.adopt(&span);
        let store = store(&settings)?;
        let application =
            Application::build_with_store(settings, telemetry.request_sampler(), shutdown, store)?;
        application.run(span).await
    })
}
