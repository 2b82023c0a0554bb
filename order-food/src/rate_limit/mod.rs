//! Rate limits: a bucket for each API key and one for each address, per process.
//!
//! [`count`] takes from the address's bucket for every request to the API, whatever becomes of it.
//! The answer 429 comes only where nothing that goes before it applies any more: the resource
//! exists and has the method, the key is known and has the scope. Probes and `/metrics` are outside
//! of the API. A limit that is off takes no part in a request.
//!
//! The storefront has no keys: its visitors are limited by address alone, see [`Action`].

mod address;
mod buckets;
mod settings;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use prometheus::{IntCounterVec, Registry, register_int_counter_vec_with_registry};

use crate::http::ApiError;
use crate::reference_data::ApiKeyId;
use address::Network;
use buckets::{Buckets, Rate};
pub(crate) use settings::{ENVIRONMENT, Settings};

/// The active limits; each may be off.
pub(crate) struct Limits {
    keys: Option<Buckets>,
    addresses: Option<Buckets>,
    actions: HashMap<Action, Buckets>,
    proxies: Vec<Network>,
    /// The clock of the buckets counts from here.
    started: Instant,
    refused: IntCounterVec,
}

/// What a visitor of the pages does, each limited for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// An order that is stored, or may be: STOREFRONT_ORDERS_PER_ADDRESS in ten minutes.
    Order,
    /// A coupon code that is not known: 10 in ten minutes.
    WrongCoupon,
    /// A change of the cart: 120 in a minute.
    CartChange,
    /// A try to log in to the console: 10 in a minute.
    LogIn,
}

/// Set on a request of an address without tokens: the time until it has one.
struct RateLimited(Duration);

/// Addresses that the storefront tells apart, at most: half a megabyte for each action.
const MOST_VISITORS: usize = 16_384;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Limits {
    /// Makes the tables of the limits that are on, and registers the metric. `visitors_orders`:
    /// orders of an address in ten minutes, where the storefront takes any. `has_console`: whether
    /// tries to log in are limited.
    ///
    /// # Errors
    /// When the registry holds a metric of this name already.
    pub(crate) fn new(
        settings: &Settings,
        visitors_orders: Option<u32>,
        has_console: bool,
        registry: &Registry,
    ) -> prometheus::Result<Limits> {
        let refused = register_int_counter_vec_with_registry!(
            "requests_limited_total",
            "Requests answered 429, by the limit that was exceeded",
            &["kind"],
            registry
        )?;
        let sized = |rate: Option<Rate>, kind, size| {
            let rate = rate?;
            // Shown from the start, as 0.
            refused.with_label_values(&[kind]).inc_by(0);
            Some(Buckets::new(rate, size))
        };
        let visitors = settings.table_size.min(MOST_VISITORS);
        // Without a shop that is open there is nothing to limit.
        let shop = visitors_orders.map(|orders| {
            [
                (Action::Order, Rate::per_minutes(10, orders, 0)),
                (Action::WrongCoupon, Rate::per_minutes(10, 10, 0)),
                (Action::CartChange, Rate::per_minute(120, 0)),
            ]
        });
        let console = has_console.then(|| (Action::LogIn, Rate::per_minute(10, 0)));
        let actions = shop.into_iter().flatten().chain(console);
        let table = |(action, rate): (Action, _)| Some((action, sized(rate, action.kind(), visitors)?));
        Ok(Limits {
            keys: sized(settings.of_keys(), "key", settings.table_size),
            addresses: sized(settings.of_addresses(), "address", settings.table_size),
            actions: actions.filter_map(table).collect(),
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

    /// Lets a visitor's action pass, and takes from the bucket of the address.
    ///
    /// # Errors
    /// 429 when the address does this too often.
    pub(crate) fn admit_action(&self, request: &HttpRequest, action: Action) -> Result<(), ApiError> {
        let Some(buckets) = self.actions.get(&action) else {
            return Ok(());
        };
        let bucket = self.bucket(request.peer_addr(), request.headers());
        buckets
            .take(bucket, self.started.elapsed())
            .map_err(|wait| self.refusal(action.kind(), wait))
    }

    /// Puts back what [`admit_action`](Self::admit_action) took: the action did not take place.
    pub(crate) fn take_back(&self, request: &HttpRequest, action: Action) {
        if let Some(buckets) = self.actions.get(&action) {
            buckets.put_back(self.bucket(request.peer_addr(), request.headers()));
        }
    }

    /// Whether the peer of a request is a trusted proxy, which speaks for its client.
    pub(crate) fn trusts_peer(&self, peer: Option<SocketAddr>) -> bool {
        peer.is_some_and(|peer| self.proxies.iter().any(|proxy| proxy.contains(peer.ip())))
    }

    fn take_for_address(&self, request: &ServiceRequest) -> Result<(), RateLimited> {
        let Some(addresses) = &self.addresses else {
            return Ok(());
        };
        let bucket = self.bucket(request.peer_addr(), request.headers());
        addresses
            .take(bucket, self.started.elapsed())
            .map_err(RateLimited)
    }

    /// The bucket of the client that a request came from.
    fn bucket(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> u128 {
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let lines = headers.get_all(X_FORWARDED_FOR).map(|line| line.as_bytes());
        address::bucket(address::client(peer, lines, &self.proxies))
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

impl Action {
    const fn kind(self) -> &'static str {
        match self {
            Action::Order => "storefront_order",
            Action::WrongCoupon => "storefront_coupon",
            Action::CartChange => "storefront_cart",
            Action::LogIn => "console_log_in",
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
