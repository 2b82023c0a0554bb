use std::cell::RefCell;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    exponential_buckets,
};

/// Requests by method, path template and status, how long they took, sizes, and how many are under way.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    active: IntGauge,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

/// Counts a request as under way until it is dropped.
pub(crate) struct Active<'a>(&'a IntGauge);

/// The series that one resource counts in, found once for each method and status: to find the path template and then the series
/// takes longer than all else that is counted. Each thread of the server has its own.
#[derive(Default)]
pub(crate) struct ResourceSeries(RefCell<Vec<(Method, StatusCode, Series)>>);

struct Series {
    requests: IntCounter,
    durations: Histogram,
}

const LABELS: [&str; 3] = ["endpoint", "method", "status"];
/// The endpoint of what matches no resource.
const OTHER: &str = "other";
/// Upper bounds in seconds of `http_requests_duration_seconds`.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

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
        let requests = Opts::new("http_requests_total", "Requests that were answered");
        let durations = HistogramOpts::new(
            "http_requests_duration_seconds",
            "From the head of a request to its answer",
        );
        let metrics = HttpMetrics {
            requests: IntCounterVec::new(requests, &LABELS)?,
            durations: HistogramVec::new(durations.buckets(BUCKETS.into()), &LABELS)?,
            active: IntGauge::new("http_requests_active", "Requests that are being answered")?,
            request_bytes: bytes(
                "http_request_size_bytes",
                "Size of request bodies by their Content-Length",
            )?,
            response_bytes: bytes("http_response_size_bytes", "Size of response bodies")?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.durations.clone()))?;
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

    /// An answer goes out, so long after its request came.
    pub(crate) fn answered<B: MessageBody>(&self, response: &ServiceResponse<B>, took: Duration) {
        if let BodySize::Sized(bytes) = response.response().body().size() {
            #[expect(clippy::cast_precision_loss, reason = "histograms hold floats")]
            self.response_bytes.observe(bytes as f64);
        }
        let (request, status) = (response.request(), response.status());
        match request.app_data::<ResourceSeries>() {
            Some(series) => series.count(request.method(), status, took, || self.series(request, status)),
            // No resource, or answered before one was found.
            None => self.series(request, status).count(took),
        }
    }

    fn series(&self, request: &HttpRequest, status: StatusCode) -> Series {
        let template = request.match_pattern();
        let labels = [
            template.as_deref().unwrap_or(OTHER),
            request.method().as_str(),
            status.as_str(),
        ];
        Series {
            requests: self.requests.with_label_values(&labels),
            durations: self.durations.with_label_values(&labels),
        }
    }
}

impl ResourceSeries {
    fn count(&self, method: &Method, status: StatusCode, took: Duration, find: impl FnOnce() -> Series) {
        let mut found = self.0.borrow_mut();
        if let Some((_, _, series)) = found.iter().find(|(m, s, _)| (m, *s) == (method, status)) {
            return series.count(took);
        }
        let series = find();
        series.count(took);
        found.push((method.clone(), status, series));
    }
}

impl Series {
    fn count(&self, took: Duration) {
        self.requests.inc();
        self.durations.observe(took.as_secs_f64());
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
