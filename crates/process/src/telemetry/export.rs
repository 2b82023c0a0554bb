//! Export of finished spans, in the background and within time limits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Response};
use opentelemetry_otlp::{
    Compression, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Url, blocking, redirect};

use super::Settings;
use super::pod_trace::Ids;
use super::sampling::already_sampled;

/// Longest one request to the collector may take, name resolution and connecting included.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(850);

/// Longest the last spans may hold up the end of the process: one request that is on its way, and
/// one for what is still queued.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1800);

/// How often finished spans are sent.
const INTERVAL: Duration = Duration::from_secs(1);

/// Most spans that wait to be sent, and most per request; spans beyond are dropped.
const QUEUE_SPANS: usize = 4096;
const REQUEST_SPANS: usize = 1024;

/// First bytes of a body that the exporter has compressed; no message begins so.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How each request looks.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Sent beside those that describe the request itself.
    pub(super) headers: HeaderMap,
    /// Whether the body is compressed by gzip.
    pub(super) compressed: bool,
}

/// The SDK's tracer provider, exporting to `endpoint` from a thread of its own.
pub(super) fn provider(
    service: &'static str,
    settings: &Settings,
    attributes: Vec<KeyValue>,
    endpoint: &Url,
    request: Request,
) -> anyhow::Result<SdkTracerProvider> {
    let batches = BatchConfigBuilder::default()
        .with_scheduled_delay(INTERVAL)
        .with_max_queue_size(QUEUE_SPANS)
        .with_max_export_batch_size(REQUEST_SPANS)
        .build();
    let processor = BatchSpanProcessor::builder(exporter(endpoint, request)?)
        .with_batch_config(batches)
        .build();
    let mut resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", settings.version().to_owned()))
        .with_attribute(KeyValue::new(
            "deployment.environment.name",
            settings.environment.as_str().to_owned(),
        ))
        .with_attributes(attributes);
    if !settings.service_name.trim().is_empty() {
        resource = resource.with_service_name(settings.service_name.trim().to_owned());
    }
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(already_sampled())
        .with_id_generator(Ids::default())
        .with_resource(resource.build())
        .build())
}

/// Sends one batch per call, once.
pub(super) fn exporter(endpoint: &Url, request: Request) -> anyhow::Result<Watched<SpanExporter>> {
    let causes = Causes::default();
    let client = Noting {
        client: client(endpoint)?,
        headers: request.headers,
        causes: causes.clone(),
    };
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(endpoint.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(REQUEST_TIMEOUT)
        .with_retry_policy(RetryPolicy::disabled());
    if request.compressed {
        builder = builder.with_compression(Compression::Gzip);
    }
    let exporter = builder.build().context("span exporter")?;
    Ok(Watched::new(exporter, endpoint, causes))
}

/// The HTTP client, made on a thread of its own: a blocking client must not be made in async code.
fn client(endpoint: &Url) -> anyhow::Result<blocking::Client> {
    let tls = endpoint.scheme() == "https";
    let client = std::thread::spawn(move || build_client(tls))
        .join()
        .map_err(|_| anyhow::anyhow!("panicked"))
        .and_then(|client| client)
        .context("HTTP client of the span exporter")?;
    // The last handle to go would wait for the client's thread, and that for a name server that
    // does not answer. One that never goes leaves that to the end of the process.
    std::mem::forget(client.clone());
    Ok(client)
}

fn build_client(tls: bool) -> anyhow::Result<blocking::Client> {
    let builder = blocking::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .redirect(redirect::Policy::none());
    let tls = if tls {
        crate::tls::client()?
    } else {
        // Nothing is encrypted, so the certificates of the system need not be read.
        crate::tls::trusting(rustls::RootCertStore::empty())?
    };
    Ok(builder.tls_backend_preconfigured(tls).build()?)
}

/// Why the last request failed; the exporter itself says `network error` for everything.
type Causes = Arc<Mutex<Option<String>>>;

/// Sets the headers of requests and keeps the reasons of failed ones.
#[derive(Debug)]
struct Noting {
    client: blocking::Client,
    headers: HeaderMap,
    causes: Causes,
}

#[async_trait]
impl HttpClient for Noting {
    async fn send_bytes(
        &self,
        mut request: opentelemetry_http::Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        // The exporter reads OTEL_EXPORTER_OTLP_HEADERS by itself, and differently.
        let by_exporter = std::mem::take(request.headers_mut());
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))]);
        if request.body().starts_with(&GZIP) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(agent) = by_exporter.get(USER_AGENT) {
            headers.insert(USER_AGENT, agent.clone());
        }
        headers.extend(self.headers.clone());
        *request.headers_mut() = headers;
        // The address may hold a password.
        let without_url = |error: HttpError| match error.downcast::<reqwest::Error>() {
            Ok(error) => HttpError::from(error.without_url()),
            Err(error) => error,
        };
        let answer = self.client.send_bytes(request).await.map_err(without_url);
        let cause = answer.as_ref().err().map(|error| crate::failure::line(&**error));
        *self.causes.lock().unwrap_or_else(PoisonError::into_inner) = cause;
        answer
    }
}

/// Says once when the collector cannot be reached, and once when it can be again.
#[derive(Debug)]
pub(super) struct Watched<E> {
    exporter: E,
    /// Without user, password and query.
    endpoint: String,
    /// The end of a sentence, about an address that looks wrong.
    hint: &'static str,
    failing: AtomicBool,
    causes: Causes,
}

impl<E> Watched<E> {
    fn new(exporter: E, endpoint: &Url, causes: Causes) -> Self {
        let shown = format!("{}{}", endpoint.origin().ascii_serialization(), endpoint.path());
        Self {
            exporter,
            endpoint: shown,
            hint: match endpoint.port() {
                Some(4317) => "; port 4317 is that of gRPC, spans go by HTTP to port 4318",
                _ => "",
            },
            failing: AtomicBool::new(false),
            causes,
        }
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        match &result {
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => {
                tracing::info!(endpoint = self.endpoint, "spans reach the collector again");
            }
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                let cause = self.causes.lock().unwrap_or_else(PoisonError::into_inner).take();
                let error = cause.unwrap_or_else(|| error.to_string());
                let hint = match error.contains("certificate") {
                    true => {
                        "; trusted are the authorities of the system, or those of the file in SSL_CERT_FILE"
                    }
                    false => self.hint,
                };
                tracing::warn!(
                    endpoint = self.endpoint,
                    error = format!("{error}{hint}"),
                    "spans are lost until the collector can be reached; said once"
                );
            }
            _ => (),
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
