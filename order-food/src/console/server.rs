//! The console's own listener.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use pages::{Assets, PageHeaders, Signer};
use process::failure::{ExitCode, Failure, OrExit};
use tracing::info;

use super::board_cache::BoardCache;
use super::flow::{self, Flow};
use super::{Console, routes};
use crate::http::listen;
use crate::settings::Settings;
use crate::state::AppState;

const FILES: [pages::assets::Source; 3] = [
    ("icon.svg", include_bytes!("../../assets/icon.svg")),
    ("console.css", include_bytes!("../../assets/console.css")),
    ("console.js", include_bytes!("../../assets/console.js")),
];

/// Binds the port of the console and serves it; `None` where it has no port.
///
/// # Errors
/// Exit code 6 when the port cannot be bound.
pub(crate) fn start(
    settings: &Settings,
    state: &AppState,
    registry: &prometheus::Registry,
) -> Result<Option<(Server, u16)>, Failure> {
    let Some(port) = settings.console.port else {
        return Ok(None);
    };
    let (listener, port) = listen("CONSOLE_PORT", (&settings.console.bind_address, port))?;
    let console = Arc::new(Console {
        state: state.clone(),
        registry: registry.clone(),
        assets: Assets::new(&FILES),
        headers: PageHeaders::new(&[], false).with_trusted_types(),
        signer: Signer::new(&settings.hash_keys()?),
        read_only: settings.console.read_only,
        secret_overlap: Duration::from_secs(settings.webhooks.secret_overlap_s),
        boards: BoardCache::default(),
        flow: Flow::default(),
        trace_url: settings.console.trace_url.clone(),
    });
    actix_web::rt::spawn(flow::watch(Arc::downgrade(&console)));
    let console = web::Data::from(console);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(console.clone())
            .default_service(web::to(routes::answer))
    })
    .disable_signals()
    .workers(2)
    .shutdown_timeout(2)
    .listen(listener)
    .or_exit(ExitCode::Input, "CONSOLE_PORT")?
    .run();
    info!(port, "the console listens");
    Ok(Some((server, port)))
}
