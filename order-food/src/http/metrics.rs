//! HTTP metrics: actix-web-prom counts and times requests; sizes and active requests are ours.

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web_prom::{PrometheusMetrics, PrometheusMetricsBuilder};
use prometheus::{
    Histogram, IntGauge, Registry, exponential_buckets, register_histogram_with_registry,
    register_int_gauge_with_registry,
};

/// Sizes of requests and responses, and the number of requests in progress.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    active: IntGauge,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

/// Counts a request as active until it is dropped.
pub(crate) struct Active<'a>(&'a IntGauge);

/// The endpoint label of a request without a resource, and the method label of an unknown method.
pub(crate) const OTHER: &str = "other";
/// A stream lasts as long as its client likes: `event_streams` counts it instead.
const STREAM: &str = "/api/order/{orderId}/events";
/// Upper bounds in seconds of `http_requests_duration_seconds`.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The middleware that counts and times requests by path template, method and status.
///
/// A request is observed when its response body ends, so the duration includes the time in which
/// the client takes the body. It wraps [`super::observe::observe`], which replaces the names of
/// unknown methods: clients cannot create labels.
///
/// # Errors
/// When the registry holds metrics of these names already.
pub(crate) fn request_metrics(registry: &Registry) -> anyhow::Result<PrometheusMetrics> {
    PrometheusMetricsBuilder::new("")
        .registry(registry.clone())
        .buckets(&BUCKETS)
        .mask_unmatched_patterns(OTHER)
        .exclude(STREAM)
        .build()
        .map_err(anyhow::Error::from_boxed)
}

impl HttpMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry holds metrics of these names already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<HttpMetrics> {
        let buckets = exponential_buckets(64.0, 4.0, 9)?;
        let bytes =
            |name: &str, help: &str| register_histogram_with_registry!(name, help, buckets.clone(), registry);
        Ok(HttpMetrics {
            active: register_int_gauge_with_registry!(
                "http_requests_active",
                "Requests that are being answered",
                registry
            )?,
            request_bytes: bytes(
                "http_request_size_bytes",
                "Size of request bodies by their Content-Length",
            )?,
            response_bytes: bytes("http_response_size_bytes", "Size of response bodies")?,
        })
    }

    /// A request has come.
    pub(crate) fn begin(&self, request: &ServiceRequest) -> Active<'_> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let bytes = length.and_then(|length| length.to_str().ok()?.parse().ok());
        self.request_bytes.observe(bytes.unwrap_or(0.0));
        self.active.inc();
        Active(&self.active)
    }

    /// A response goes out.
    pub(crate) fn answered<B: MessageBody>(&self, response: &ServiceResponse<B>) {
        if let BodySize::Sized(bytes) = response.response().body().size() {
            #[expect(clippy::cast_precision_loss, reason = "histograms hold floats")]
            self.response_bytes.observe(bytes as f64);
        }
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
