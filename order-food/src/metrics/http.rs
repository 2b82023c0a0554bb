use actix_web::dev::ServiceRequest;
use actix_web::http::header;
use actix_web_prom::{PrometheusMetrics, PrometheusMetricsBuilder};
use prometheus::{Histogram, HistogramOpts, IntGauge, Registry, exponential_buckets};

/// Sizes of requests and answers, and how many are under way. Counts and durations are actix-web-prom's.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    active: IntGauge,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

/// Counts a request as under way until it is dropped.
pub(crate) struct Active<'a>(&'a IntGauge);

/// Upper bounds in seconds of `http_requests_duration_seconds`.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts and times requests by method, route template and status; what matches no route is `other`.
///
/// # Errors
/// When the registry holds metrics of these names already.
pub(crate) fn requests(
    registry: &Registry,
) -> Result<PrometheusMetrics, Box<dyn std::error::Error + Send + Sync>> {
    PrometheusMetricsBuilder::new("")
        .registry(registry.clone())
        .buckets(&BUCKETS)
        .mask_unmatched_patterns("other")
        .build()
}

impl HttpMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry holds metrics of these names already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<HttpMetrics> {
        let bytes = |name: &str, help: &str| -> prometheus::Result<Histogram> {
            let options = HistogramOpts::new(name, help).buckets(exponential_buckets(64.0, 4.0, 9)?);
            Histogram::with_opts(options)
        };
        let metrics = HttpMetrics {
            active: IntGauge::new("http_requests_active", "Requests that are being answered")?,
            request_bytes: bytes(
                "http_request_size_bytes",
                "Size of request bodies by their Content-Length",
            )?,
            response_bytes: bytes("http_response_size_bytes", "Size of response bodies")?,
        };
        registry.register(Box::new(metrics.active.clone()))?;
        registry.register(Box::new(metrics.request_bytes.clone()))?;
        registry.register(Box::new(metrics.response_bytes.clone()))?;
        Ok(metrics)
    }

    /// A request has come.
    pub(crate) fn begin(&self, request: &ServiceRequest) -> Active<'_> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let bytes = length.and_then(|length| length.to_str().ok()?.parse().ok());
        self.request_bytes.observe(bytes.unwrap_or(0.0));
        self.active.inc();
        Active(&self.active)
    }

    /// An answer of `bytes` bytes goes out.
    pub(crate) fn answered(&self, bytes: u64) {
        #[expect(clippy::cast_precision_loss, reason = "histograms hold floats")]
        self.response_bytes.observe(bytes as f64);
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
