//! The application: builds the state and the server, runs them from start to stop.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Condition, NormalizePath, from_fn};
use actix_web::{App, HttpServer, web};
use chrono_tz::Tz;
use database::Database;
use database::pool::Pool;
use job_queue::Queue;
use process::failure::{ExitCode, Failure, OrExit};
use process::telemetry::RequestSampler;
use prometheus::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info};

use crate::auth::Authenticator;
use crate::console;
use crate::docs::Documents;
use crate::exit_code::connecting;
use crate::health::Readiness;
use crate::http::cors::Cors;
use crate::http::listen;
use crate::http::metrics::{HttpMetrics, request_metrics};
use crate::http::observe::{Observer, observe, trace_headers};
use crate::http::resource::not_found;
use crate::jobs::SweepPlace;
use crate::live::{EventStreams, Live};
use crate::metrics::ShopMetrics;
use crate::orders::reads::{OrderReads, Standby};
use crate::orders::status::{Context, ReadyIn, StatusChanges};
use crate::orders::{OrderStore, Writer, WriterParts, sweep};
use crate::rate_limit::Limits;
use crate::reference_data::{RefreshHealth, Refresher, SnapshotHandle};
use crate::routes;
use crate::settings::{Settings, SnapshotStale};
use crate::state::AppState;
use crate::storefront::Storefront;

/// Keep-alive of an idle connection: longer than that of proxies (60 s and less), so that the proxy
/// closes first; otherwise a request may hit a closing connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A server that listens already; [`Application::run`] serves until it is told to stop.
pub struct Application {
    server: Server,
    console: Option<(Server, u16)>,
    port: u16,
    settings: Settings,
    /// For reads; a pooler may pool it.
    database: Database,
    /// For orders and notifications, which need sessions of their own.
    direct: Database,
    state: AppState,
    health: watch::Sender<RefreshHealth>,
    draining: CancellationToken,
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
        Application::assemble(settings, sampler, shutdown, |_| ())
    }

    /// The same with another store for orders, for comparison.
    ///
    /// # Errors
    /// As [`Application::build`].
    #[cfg(feature = "bench")]
    pub fn build_with_store(
        settings: Settings,
        sampler: RequestSampler,
        shutdown: CancellationToken,
        store: Arc<dyn crate::orders::Substitute>,
    ) -> Result<Application, Failure> {
        let substitute = |orders: &mut OrderStore| orders.substitute = Some(store);
        Application::assemble(settings, sampler, shutdown, substitute)
    }

    fn assemble(
        settings: Settings,
        sampler: RequestSampler,
        shutdown: CancellationToken,
        change_store: impl FnOnce(&mut OrderStore),
    ) -> Result<Application, Failure> {
        let database =
            Database::new(&settings.database, "order-food").or_exit(ExitCode::Usage, "settings")?;
        let direct =
            Database::direct(&settings.database, "order-food").or_exit(ExitCode::Usage, "settings")?;
        let standby = Database::standby(
            &settings.database,
            settings.read_database.url.as_ref(),
            settings.read_database.url_file.as_deref(),
            "order-food",
        );
        let standby = standby.or_exit(ExitCode::Usage, "settings")?;
        let registry = Registry::new();
        let (health, health_receiver) = watch::channel(RefreshHealth::Starting);
        let draining = CancellationToken::new();
        let state = state(
            &settings,
            (&database, &direct, standby.as_ref()),
            &registry,
            health_receiver,
            &draining,
            change_store,
        )
        .or_exit(ExitCode::Unexpected, "start")?;
        let observer = Observer {
            cors: Cors::new(
                &settings.cors_allowed_origins,
                settings.cors_allow_credentials,
                &settings.cors_allowed_headers,
            ),
            trace_headers: trace_headers(&settings.trace_headers),
            sampler,
            metrics: HttpMetrics::new(&registry).or_exit(ExitCode::Unexpected, "start")?,
            draining: draining.clone(),
        };
        let request_metrics = request_metrics(&registry).or_exit(ExitCode::Unexpected, "start")?;
        let (listener, port) = listen("PORT", (&settings.bind_address, settings.port))?;
        let console = console::start(&settings, &state, &registry)?;
        let documents = web::Data::new(Documents::new(routes::openapi_json(), routes::openapi_yaml()));
        let registry = web::Data::new(registry);
        let limits = web::Data::from(state.limits.clone());
        let hash_keys = &state.authenticator.hash_keys;
        // The settings of the reports are checked.
        let zone = settings.reports.time_zone.parse().unwrap_or(Tz::UTC);
        let keys_max_age = Duration::from_secs(settings.snapshot_max_age_s);
        let storefront = Storefront::new(
            settings.storefront.clone(),
            (zone, keys_max_age),
            state.limits.clone(),
            hash_keys,
        )?;
        let enable_metrics = settings.enable_metrics;
        let limit_addresses = state.limits.counts_addresses();
        let shared = state.clone();
        let mut server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(AppState {
                    reads: shared.reads.of_thread(),
                    changes: shared.changes.of_thread(),
                    ..shared.clone()
                }))
                .app_data(web::Data::new(observer.clone()))
                .app_data(documents.clone())
                .app_data(registry.clone())
                .app_data(limits.clone())
                .app_data(web::Data::new(storefront.clone()))
                .wrap(from_fn(observe))
                .wrap(NormalizePath::trim())
                .wrap(Condition::new(enable_metrics, request_metrics.clone()))
                .configure(|service| routes::configure(service, enable_metrics, limit_addresses))
                .default_service(web::to(not_found))
        })
        .disable_signals()
        // An event is one small write, not held back for the acknowledgment of the one before.
        .tcp_nodelay(true)
        .shutdown_timeout(settings.shutdown_timeout_s)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(KEEP_ALIVE);
        if settings.http_workers > 0 {
            server = server.workers(settings.http_workers);
        }
        let server = server.listen(listener).or_exit(ExitCode::Input, "PORT")?.run();
        Ok(Application {
            server,
            console,
            port,
            settings,
            database,
            direct,
            state,
            health,
            draining,
            shutdown,
        })
    }

    /// The port that is listened on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the console, where it has one.
    pub fn console_port(&self) -> Option<u16> {
        self.console.as_ref().map(|(_, port)| *port)
    }

    /// Serves until the shutdown token is cancelled: then `/ready` turns 503, the drain wait
    /// passes, and requests in flight finish. `startup` is the span of the start: it ends with the
    /// first snapshot.
    ///
    /// # Errors
    /// Exit code 3 when the database cannot be reached within the wait time-out at start, 2 when it
    /// refuses the connection.
    pub async fn run(self, startup: Span) -> Result<ExitCode, Failure> {
        let Application {
            server,
            console,
            port,
            settings,
            database,
            direct,
            state,
            health,
            draining,
            shutdown,
        } = self;
        let handle = server.handle();
        let serving = tokio::spawn(server);
        let console = console.map(|(server, _)| (server.handle(), tokio::spawn(server)));
        info!(port, "listening");

        let ready = health.subscribe();
        let interval = Duration::from_secs(settings.refresh_interval_s);
        let hash_keys = &state.authenticator.hash_keys;
        let refresher = Refresher::new(&database, &direct, &state.snapshots, hash_keys, interval);
        let mut refreshing = actix_web::rt::spawn(refresher.run(health));
        let sweep_interval = Duration::from_secs(settings.idempotency_sweep_s);
        let sweeping = match settings.jobs.idempotency_sweep_in {
            SweepPlace::Api => Some(tokio::spawn(sweep(state.pool.clone(), sweep_interval))),
            SweepPlace::Workers => None,
        };
        let end_of_queue = CancellationToken::new();
        let (pool, live, end) = (&state.pool, &state.live, &end_of_queue);
        let queueing = actix_web::rt::spawn(state.queue.clone().run(pool.clone(), end.clone()));
        let following = live.clone().follow(direct.clone(), pool.clone(), end.clone());
        let following = actix_web::rt::spawn(following);
        let sending = actix_web::rt::spawn(live.clone().send(pool.clone(), end.clone()));
        let watching = actix_web::rt::spawn(state.reads.clone().watch());

        let mut outcome = tokio::select! {
            outcome = started([&direct, &database], &settings, ready).instrument(startup.clone()) => outcome,
            () = shutdown.cancelled() => Ok(()),
        };
        if let Err(failure) = &outcome {
            process::telemetry::fail(&startup, failure);
        }
        drop(startup);
        if outcome.is_ok() {
            outcome = tokio::select! {
                () = shutdown.cancelled() => Ok(()),
                // Without the writer no order can be taken.
                () = state.orders.writer.ended() => {
                    Err(Failure::new(ExitCode::Unexpected, "the order writer has ended"))
                }
                // It ends by a panic only.
                ended = &mut refreshing => {
                    ended.or_exit(ExitCode::Unexpected, "the reading of the shop's data has ended")
                }
            };
        }
        if outcome.is_ok() {
            info!(drain_wait_s = settings.drain_wait_s, "stopping");
            draining.cancel();
            tokio::time::sleep(Duration::from_secs(settings.drain_wait_s)).await;
        }
        if let Some((handle, serving)) = console {
            handle.stop(outcome.is_ok()).await;
            let _ = serving.await;
        }
        handle.stop(outcome.is_ok()).await;
        watching.abort();
        if let Some(sweeping) = sweeping {
            sweeping.abort();
        }
        if !refreshing.is_finished() {
            refreshing.abort();
            let _ = refreshing.await;
        }
        state.orders.writer.stop().await;
        end_of_queue.cancel();
        let _ = tokio::join!(queueing, following, sending);
        serving
            .await
            .or_exit(ExitCode::Unexpected, "server")?
            .or_exit(ExitCode::Unexpected, "server")?;
        outcome.map(|()| ExitCode::Done)
    }
}

/// Waits for the database on either way, then for the first snapshot, and goes on serving.
async fn started(
    databases: [&Database; 2],
    settings: &Settings,
    mut ready: watch::Receiver<RefreshHealth>,
) -> Result<(), Failure> {
    let wait = Duration::from_secs(settings.wait_timeout_s);
    let (url, file) = (&settings.database.direct_url, &settings.database.direct_url_file);
    let has_direct = url.is_some() || file.is_some();
    // Both are one without a URL of its own for sessions: waited for, and told of, once.
    for database in databases.into_iter().take(1 + usize::from(has_direct)) {
        database.wait(wait).await.map_err(connecting("start"))?;
    }
    // Fails only when the refresher is gone, at the end.
    let has_snapshot =
        |health: &RefreshHealth| matches!(health, RefreshHealth::UpToDate | RefreshHealth::Stale { .. });
    let _ = ready.wait_for(has_snapshot).await;
    Ok(())
}

fn state(
    settings: &Settings,
    (database, direct, standby): (&Database, &Database, Option<&Database>),
    registry: &Registry,
    refresh: watch::Receiver<RefreshHealth>,
    draining: &CancellationToken,
    change_store: impl FnOnce(&mut OrderStore),
) -> anyhow::Result<AppState> {
    let pool_wait = Duration::from_millis(settings.pool_wait_ms);
    let pool = Pool::new(database, settings.pool_size, pool_wait);
    let metrics = ShopMetrics::new(registry)?;
    let max_age = i64::try_from(settings.dataset_max_age_s).unwrap_or(i64::MAX);
    metrics.dataset_max_age.set(max_age);
    let snapshots = SnapshotHandle::default();
    let order_deadline = Duration::from_secs(settings.order_deadline_s);
    let least = settings.writer_connections_min;
    let writer = Writer::start(WriterParts {
        database: direct.clone(),
        queue: settings.order_queue,
        order_deadline,
        connections: least..=settings.writer_connections_max.max(least),
        metrics: metrics.clone(),
    })?;
    let standby = standby.map(|standby| {
        let max_lag = Duration::from_secs(settings.read_database.max_lag_s.into());
        let pool = Pool::new(standby, settings.pool_size, pool_wait);
        (Standby::new(max_lag), pool)
    });
    let reads = OrderReads::new(&pool, standby, order_deadline, registry)?;
    let mut orders = OrderStore::new(writer, pool.clone());
    orders.keeps_answers = settings.idempotency_keep_answers;
    change_store(&mut orders);
    let snapshot_max_age = Duration::from_secs(settings.snapshot_max_age_s);
    let max_stale = (settings.snapshot_stale == SnapshotStale::Unready).then_some(snapshot_max_age);
    let limits = Arc::new(Limits::new(
        &settings.rate_limit,
        settings.storefront.visitors_orders(),
        settings.console.port.is_some(),
        registry,
    )?);
    let queue = Queue::new(settings.jobs.capacities(), registry)?;
    let live = Live::default();
    let ready_minutes = ReadyIn::by_default(settings.orders.ready_minutes);
    Ok(AppState {
        changes: StatusChanges::new(Context {
            pool: pool.clone(),
            queue: queue.clone(),
            live: live.clone(),
            limit: order_deadline,
            ready_minutes,
        }),
        authenticator: Authenticator {
            snapshots: snapshots.clone(),
            hash_keys: settings.hash_keys()?,
            limits: limits.clone(),
            keys_max_age: snapshot_max_age,
        },
        limits,
        readiness: Readiness {
            snapshots: snapshots.clone(),
            grace: Duration::from_secs(settings.ready_grace_s),
            refresh,
            draining: draining.clone(),
            max_stale,
        },
        snapshots,
        pool,
        orders: Arc::new(orders),
        cells: Arc::new(settings.orders.cells()?),
        reads,
        queue,
        live,
        streams: EventStreams::new(settings.event_streams, registry, draining.clone())?,
        metrics,
        exports: settings.reports.store()?,
        report_time_zone: settings.reports.time_zone.as_str().into(),
        order_deadline,
        order_open_window: Duration::from_secs(settings.orders.open_window_s.into()),
        order_ready_minutes: ready_minutes,
        body_timeout: Duration::from_secs(settings.body_timeout_s),
    })
}
