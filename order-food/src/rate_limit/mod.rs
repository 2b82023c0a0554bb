//! Rate limits: a bucket for each API key and one for each address, per process.
//!
//! [`count`] takes from the address's bucket for every request to the API, whatever becomes of it.
//! The answer 429 comes only where nothing that goes before it applies any more: the resource
//! exists and has the method, the key is known and has the scope. Probes and `/metrics` are outside
//! of the API. A limit that is off takes no part in a request.

mod address;
mod buckets;
mod settings;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderName;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use prometheus::{IntCounterVec, Opts, Registry};

use crate::http::ApiError;
use crate::reference_data::ApiKeyId;
use address::Network;
use buckets::{Buckets, Rate};
pub(crate) use settings::{ENVIRONMENT, Settings};

/// The active limits; each may be off.
pub(crate) struct Limits {
    keys: Option<Buckets>,
    addresses: Option<Buckets>,
    proxies: Vec<Network>,
    /// The clock of the buckets counts from here.
    started: Instant,
    refused: IntCounterVec,
}

/// Set on a request of an address without tokens: the time until it has one.
struct RateLimited(Duration);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Limits {
    /// Makes the tables of the limits that are on, and registers the metric.
    ///
    /// # Errors
    /// When the registry holds a metric of this name already.
    pub(crate) fn new(settings: &Settings, registry: &Registry) -> prometheus::Result<Limits> {
        let refused = Opts::new(
            "requests_limited_total",
            "Requests answered 429, by the limit that was exceeded",
        );
        let refused = IntCounterVec::new(refused, &["kind"])?;
        registry.register(Box::new(refused.clone()))?;
        let table = |rate: Option<Rate>, kind| {
            let rate = rate?;
            // Shown from the start, as 0.
            refused.with_label_values(&[kind]).inc_by(0);
            Some(Buckets::new(rate, settings.table_size))
        };
        Ok(Limits {
            keys: table(settings.of_keys(), "key"),
            addresses: table(settings.of_addresses(), "address"),
            proxies: settings.trusted_proxies.clone(),
            started: Instant::now(),
            refused,
        })
    }

    /// Whether requests must go through [`count`].
    pub(crate) fn counts_addresses(&self) -> bool {
        self.addresses.is_some()
    }

    /// Lets a request pass that needs no key.
    ///
    /// # Errors
    /// 429 when its address asks too often.
    pub(crate) fn admit(&self, request: &HttpRequest) -> Result<(), ApiError> {
        if self.addresses.is_none() {
            return Ok(());
        }
        match request.extensions().get::<RateLimited>() {
            Some(RateLimited(wait)) => Err(self.refusal("address", *wait)),
            None => Ok(()),
        }
    }

    /// Lets a request pass that would be served to this key, and takes from the key's bucket.
    ///
    /// # Errors
    /// 429 when its address or its key asks too often.
    pub(crate) fn admit_key(&self, request: &HttpRequest, key: ApiKeyId) -> Result<(), ApiError> {
        self.admit(request)?;
        let Some(keys) = &self.keys else { return Ok(()) };
        keys.take(key.as_u128(), self.started.elapsed())
            .map_err(|wait| self.refusal("key", wait))
    }

    fn take_for_address(&self, request: &ServiceRequest) -> Result<(), RateLimited> {
        let Some(addresses) = &self.addresses else {
            return Ok(());
        };
        let peer = request
            .peer_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let forwarded_for = request.headers().get_all(X_FORWARDED_FOR);
        let lines = forwarded_for.map(|line| line.as_bytes());
        let client = address::client(peer, lines, &self.proxies);
        addresses
            .take(address::bucket(client), self.started.elapsed())
            .map_err(RateLimited)
    }

    fn refusal(&self, kind: &'static str, wait: Duration) -> ApiError {
        self.refused.with_label_values(&[kind]).inc();
        let started_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        ApiError::TooManyRequests {
            caller: if kind == "key" { "API key" } else { "address" },
            retry_after_s: started_seconds.max(1),
        }
    }
}

/// The middleware of the API while addresses are limited.
pub(crate) async fn count(
    limits: web::Data<Limits>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Err(spent) = limits.take_for_address(&request) {
        request.extensions_mut().insert(spent);
    }
    next.call(request).await
}
