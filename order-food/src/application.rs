//! One application: its state, its routes, its life from start to stop.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::{App, HttpServer, web};
use database::Database;
use database::pool::Pool;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use process::failure::{ExitCode, Failure, OrExit};
use process::telemetry::RequestSampler;
use prometheus::Registry;
use shop::HashKeys;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info};

use crate::health::Readiness;
use crate::http::ApiError;
use crate::http::cors::Cors;
use crate::http::observe::{Observer, observe};
use crate::http::resource::not_found;
use crate::metrics::{self, HttpMetrics, ShopMetrics};
use crate::orders::{OrderStore, Writer, sweep};
use crate::rate_limit::{self, Limits};
use crate::settings::Settings;
use crate::snapshot::{Current, Refresher, keep_fresh};
use crate::{docs, health, http, orders, products, spans};

/// How long an idle connection is kept: longer than proxies keep theirs (60 s and less), so that they are who closes it, never
/// we in the moment in which they send an order.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What the handlers share. Cheap to clone: each thread of the server has one of its own, so that no request counts references
/// that others count, too.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) current: Current,
    pub(crate) pool: Pool,
    pub(crate) orders: Arc<dyn OrderStore>,
    /// The same, unless orders go elsewhere.
    pub(crate) writer: Option<Arc<Writer>>,
    pub(crate) hash_keys: HashKeys,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: ShopMetrics,
    pub(crate) order_deadline: Duration,
    pub(crate) body_timeout: Duration,
}

/// A server that listens already; [`Application::run`] serves until it is told to stop.
pub struct Application {
    server: Server,
    port: u16,
    settings: Settings,
    database: Database,
    shop: Shop,
    shutdown: CancellationToken,
}

impl Application {
    /// Checks the settings, binds the port and starts to serve; connects to nothing yet.
    ///
    /// # Errors
    /// Exit code 2 for settings that cannot be used, 6 when the port cannot be bound.
    pub fn build(
        settings: Settings,
        sampler: RequestSampler,
        shutdown: CancellationToken,
    ) -> Result<Application, Failure> {
        Application::assemble(settings, sampler, shutdown, None)
    }

    /// The same with another place for the orders: what the benchmarks compare with.
    ///
    /// # Errors
    /// As [`Application::build`].
    pub fn build_with_store(
        settings: Settings,
        sampler: RequestSampler,
        shutdown: CancellationToken,
        store: Arc<dyn OrderStore>,
    ) -> Result<Application, Failure> {
        Application::assemble(settings, sampler, shutdown, Some(store))
    }

    fn assemble(
        settings: Settings,
        sampler: RequestSampler,
        shutdown: CancellationToken,
        store: Option<Arc<dyn OrderStore>>,
    ) -> Result<Application, Failure> {
        let database =
            Database::new(&settings.database, "order-food").or_exit(ExitCode::Usage, "settings")?;
        let registry = Registry::new();
        let (shop, http_metrics) =
            shop(&settings, &database, &registry, store).or_exit(ExitCode::Unexpected, "start")?;
        let observer = Observer {
            cors: Cors::new(&settings.cors_allowed_origins, settings.cors_allow_credentials),
            sampler,
            metrics: http_metrics,
            readiness: shop.readiness.clone(),
        };
        let address = (settings.bind_address.as_str(), settings.port);
        let listener = TcpListener::bind(address).or_exit(
            ExitCode::Input,
            format!(
                "PORT: cannot listen on {}:{}",
                settings.bind_address, settings.port
            ),
        )?;
        let port = listener.local_addr().or_exit(ExitCode::Input, "PORT")?.port();
        let documents = web::Data::new(docs::Documents::new());
        let registry = web::Data::new(registry);
        let enable_metrics = settings.enable_metrics;
        let limit_addresses = shop.limits.counts_addresses();
        let state = shop.clone();
        let mut server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(state.clone()))
                .app_data(web::Data::new(observer.clone()))
                .app_data(documents.clone())
                .app_data(registry.clone())
                .wrap(from_fn(observe))
                .wrap(NormalizePath::trim())
                .configure(|service| routes(service, enable_metrics, limit_addresses))
                .default_service(web::to(not_found))
        })
        .disable_signals()
        .shutdown_timeout(settings.shutdown_timeout_s)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(KEEP_ALIVE);
        if settings.http_workers > 0 {
            server = server.workers(settings.http_workers);
        }
        let server = server.listen(listener).or_exit(ExitCode::Input, "PORT")?.run();
        Ok(Application {
            server,
            port,
            settings,
            database,
            shop,
            shutdown,
        })
    }

    /// The port that is listened on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves until the shutdown token is cancelled: then `/ready` turns 503, the drain wait passes, and requests in flight
    /// finish. `startup` is the span of the start: it ends with the first snapshot.
    ///
    /// # Errors
    /// Exit code 3 when the database cannot be reached within the wait time-out at start, 2 when it refuses the connection.
    pub async fn run(self, startup: Span) -> Result<ExitCode, Failure> {
        let Application {
            server,
            port,
            settings,
            database,
            shop,
            shutdown,
        } = self;
        let handle = server.handle();
        let serving = tokio::spawn(server);
        info!(port, "listening");

        let (first, ready) = watch::channel(false);
        let stop_refreshing = CancellationToken::new();
        let interval = Duration::from_secs(settings.refresh_interval_s);
        let refresher = Refresher::new(
            &database,
            &shop.current,
            &shop.readiness,
            &shop.hash_keys,
            interval,
        );
        let refreshing = tokio::spawn(keep_fresh(refresher, first, stop_refreshing.clone()));
        let sweep_interval = Duration::from_secs(settings.idempotency_sweep_s);
        let sweeping = tokio::spawn(sweep(shop.pool.clone(), sweep_interval));

        let mut outcome = tokio::select! {
            outcome = started(&database, &settings, ready).instrument(startup.clone()) => outcome,
            () = shutdown.cancelled() => Ok(()),
        };
        if let Err(failure) = &outcome {
            process::telemetry::fail(&startup, failure);
        }
        drop(startup);
        if outcome.is_ok() {
            outcome = tokio::select! {
                () = shutdown.cancelled() => Ok(()),
                failure = writer_failed(&shop) => Err(failure),
            };
        }
        if outcome.is_ok() {
            info!(drain_wait_s = settings.drain_wait_s, "stopping");
            shop.readiness.drain();
            tokio::time::sleep(Duration::from_secs(settings.drain_wait_s)).await;
        }
        handle.stop(outcome.is_ok()).await;
        stop_refreshing.cancel();
        sweeping.abort();
        let _ = refreshing.await;
        if let Some(writer) = &shop.writer {
            writer.stop().await;
        }
        serving
            .await
            .or_exit(ExitCode::Unexpected, "server")?
            .or_exit(ExitCode::Unexpected, "server")?;
        outcome.map(|()| ExitCode::Done)
    }
}

/// Waits until the writer ends by itself, which it never should: without it no order can be taken.
async fn writer_failed(shop: &Shop) -> Failure {
    match &shop.writer {
        Some(writer) => writer.ended().await,
        None => std::future::pending().await,
    }
    Failure::new(ExitCode::Unexpected, "the order writer has ended")
}

/// Waits for the database, then for the first snapshot, and goes on serving.
async fn started(
    database: &Database,
    settings: &Settings,
    mut first: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let wait = Duration::from_secs(settings.wait_timeout_s);
    if let Err(error) = database.wait(wait).await {
        let code = if error.is_unreachable() {
            ExitCode::DatabaseUnreachable
        } else {
            ExitCode::Usage
        };
        return Err(error).or_exit(code, "start");
    }
    // Fails only when the refresher is gone, at the end.
    let _ = first.wait_for(|read| *read).await;
    Ok(())
}

fn shop(
    settings: &Settings,
    database: &Database,
    registry: &Registry,
    store: Option<Arc<dyn OrderStore>>,
) -> Result<(Shop, HttpMetrics), anyhow::Error> {
    let pool = Pool::new(
        database,
        settings.pool_size,
        Duration::from_millis(settings.pool_wait_ms),
    );
    let metrics = ShopMetrics::new(registry)?;
    let current = Current::default();
    let order_deadline = Duration::from_secs(settings.order_deadline_s);
    let (orders, writer): (Arc<dyn OrderStore>, _) = match store {
        Some(store) => (store, None),
        None => {
            let (pool, queue) = (pool.clone(), settings.order_queue);
            let writer = Writer::start(database, pool, queue, order_deadline, metrics.clone())?;
            let writer = Arc::new(writer);
            (writer.clone(), Some(writer))
        }
    };
    let shop = Shop {
        orders,
        writer,
        readiness: Arc::new(Readiness::new(
            current.clone(),
            Duration::from_secs(settings.ready_grace_s),
        )),
        limits: Arc::new(Limits::new(&settings.rate_limit, registry)?),
        hash_keys: settings.hash_keys()?,
        order_deadline,
        body_timeout: Duration::from_secs(settings.body_timeout_s),
        current,
        pool,
        metrics,
    };
    Ok((shop, HttpMetrics::new(registry)?))
}

fn routes(service: &mut web::ServiceConfig, enable_metrics: bool, limit_addresses: bool) {
    // One after the other is asked whether it is meant: those that are compared with a regular expression come last.
    let api = web::scope("/api")
        .service(orders::collection())
        .service(products::collection())
        .service(products::member())
        .service(orders::member());
    match limit_addresses {
        true => service.service(api.wrap(from_fn(rate_limit::count))),
        false => service.service(api),
    };
    service.configure(health::routes).configure(docs::routes);
    if enable_metrics {
        service.service(http::resource::get("/metrics", metrics::metrics));
    }
}

impl Shop {
    /// Runs a read within a client span called `name`, within the order deadline.
    ///
    /// # Errors
    /// 503: the cause is logged here.
    pub(crate) async fn ask<T>(
        &self,
        name: &'static str,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, ApiError> {
        let read = async |connection: &mut AsyncPgConnection| spans::database(name, query(connection)).await;
        self.pool.read(self.order_deadline, read).await.map_err(|error| {
            spans::failed(&error, "orders cannot be read");
            ApiError::Unavailable
        })
    }
}
