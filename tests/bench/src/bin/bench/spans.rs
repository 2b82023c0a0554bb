//! A collector of spans, or a receiver of webhooks, that answers 200 and discards what it is sent,
//! so that tracing and deliveries cost what they cost.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{App, HttpResponse, HttpServer, web};

/// Bytes of one export at most; a batch of 512 spans is far smaller.
const MOST_BYTES: usize = 16 << 20;

pub(crate) struct Collector {
    pub(crate) port: u16,
    bytes: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

impl Collector {
    pub(crate) fn start() -> anyhow::Result<Collector> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (bytes, requests) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let counters = (bytes.clone(), requests.clone());
        std::thread::spawn(move || serve(listener, counters));
        Ok(Collector {
            port,
            bytes,
            requests,
        })
    }

    /// Requests received so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn serve(listener: TcpListener, counters: (Arc<AtomicU64>, Arc<AtomicU64>)) -> std::io::Result<()> {
    let app = move || {
        let (bytes, requests) = counters.clone();
        let limit = web::PayloadConfig::new(MOST_BYTES);
        App::new()
            .app_data(limit)
            .default_service(web::to(move |body: web::Bytes| {
                bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
                requests.fetch_add(1, Ordering::Relaxed);
                async { HttpResponse::Ok().content_type("application/x-protobuf").finish() }
            }))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .listen(listener)?;
    actix_web::rt::System::new().block_on(server.run())
}
