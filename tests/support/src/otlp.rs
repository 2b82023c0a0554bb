//! An OTLP/HTTP receiver inside the test, in place of a collector.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{self as wire, status::StatusCode};
use prost::Message as _;

use crate::PATIENCE;
use crate::server::{Reply, Request, serve};

/// A span as it was received; ids in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// 16 hexadecimal digits; empty for a root.
    pub parent_span_id: String,
    /// The span's name.
    pub name: String,
    /// `internal`, `server`, `client`, `producer`, `consumer` or `unspecified`.
    pub kind: String,
    /// Attributes, every value as text.
    pub attributes: BTreeMap<String, String>,
    /// Events in their order.
    pub events: Vec<Event>,
    /// Trace id and span id of each span that it is linked to.
    pub links: Vec<(String, String)>,
    /// True when the status is Error.
    pub status_error: bool,
    /// Text of the status.
    pub status_message: String,
    /// End minus start, in nanoseconds.
    pub duration_ns: u64,
    /// The resource's `service.name`.
    pub service_name: String,
    /// The resource's attributes.
    pub resource: BTreeMap<String, String>,
}

/// An event of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's name; `exception` for an error.
    pub name: String,
    /// Attributes, every value as text.
    pub attributes: BTreeMap<String, String>,
}

/// A collector on 127.0.0.1 that keeps what it is sent; gone with its process.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: SocketAddr,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    spans: Mutex<Vec<Span>>,
    headers: Mutex<HeaderMap>,
    unavailable: AtomicBool,
}

impl Receiver {
    /// A running receiver on a free port.
    ///
    /// # Panics
    /// When no port can be bound.
    #[must_use]
    pub fn start() -> Self {
        let kept = Arc::<Kept>::default();
        let keeping = kept.clone();
        let address = serve(None, move |request| {
            let (status, body) = keeping.answer(request);
            Reply {
                status: status.to_owned(),
                headers: "Content-Type: application/x-protobuf\r\n".to_owned(),
                body,
            }
        });
        Self { address, kept }
    }

    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT`: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything received so far, in the order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let spans = self.kept.spans.lock();
        spans.expect("no thread panics with the lock").clone()
    }

    /// The one span of this name.
    ///
    /// # Panics
    /// When none or several were received.
    #[must_use]
    pub fn span(&self, name: &str) -> Span {
        let spans: Vec<Span> = self
            .spans()
            .into_iter()
            .filter(|span| span.name == name)
            .collect();
        let [span] = spans.as_slice() else {
            panic!("{} spans are called {name}", spans.len());
        };
        span.clone()
    }

    /// The headers of the last request.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let headers = self.kept.headers.lock();
        headers.expect("no thread panics with the lock").clone()
    }

    /// From now on every request is answered with 503, or no longer.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.kept.unavailable.store(unavailable, Ordering::Relaxed);
    }

    /// Waits until `enough` holds of the spans received and returns them; fails the test after
    /// [`PATIENCE`].
    pub async fn wait_for(&self, enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans();
            if enough(&spans) {
                return spans;
            }
            let names: Vec<_> = spans
                .iter()
                .map(|span| format!("{} {}", span.service_name, span.name))
                .collect();
            assert!(
                Instant::now() < deadline,
                "the expected spans did not arrive; there are {names:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Kept {
    /// Status and body of the answer to a request, whose spans are kept.
    fn answer(&self, Request { line, headers, body }: Request) -> (&'static str, Vec<u8>) {
        let is_protobuf = headers
            .get("content-type")
            .is_some_and(|sent| sent == "application/x-protobuf");
        let has_length = headers.contains_key("content-length");
        *self.headers.lock().expect("no thread panics with the lock") = headers;
        if self.unavailable.load(Ordering::Relaxed) {
            return ("503 Service Unavailable", Vec::new());
        }
        match (line.starts_with("POST /v1/traces "), has_length, is_protobuf) {
            (false, ..) => ("404 Not Found", Vec::new()),
            (true, false, _) => ("411 Length Required", Vec::new()),
            (true, true, false) => ("415 Unsupported Media Type", Vec::new()),
            (true, true, true) => match ExportTraceServiceRequest::decode(body.as_slice()) {
                Ok(export) => {
                    let mut spans = self.spans.lock().expect("no thread panics with the lock");
                    spans.extend(received(export));
                    ("200 OK", ExportTraceServiceResponse::default().encode_to_vec())
                }
                Err(error) => ("400 Bad Request", error.to_string().into_bytes()),
            },
        }
    }
}

fn received(export: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for group in export.resource_spans {
        let resource = attributes(&group.resource.unwrap_or_default().attributes);
        let received = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.extend(received.map(|span| from_wire(span, &resource)));
    }
    spans
}

fn from_wire(span: wire::Span, resource: &BTreeMap<String, String>) -> Span {
    let status = span.status.clone().unwrap_or_default();
    let kind = span
        .kind()
        .as_str_name()
        .trim_start_matches("SPAN_KIND_")
        .to_ascii_lowercase();
    Span {
        trace_id: hex::encode(&span.trace_id),
        span_id: hex::encode(&span.span_id),
        parent_span_id: hex::encode(&span.parent_span_id),
        name: span.name,
        kind,
        attributes: attributes(&span.attributes),
        events: span
            .events
            .iter()
            .map(|event| Event {
                name: event.name.clone(),
                attributes: attributes(&event.attributes),
            })
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| (hex::encode(&link.trace_id), hex::encode(&link.span_id)))
            .collect(),
        status_error: status.code() == StatusCode::Error,
        status_message: status.message,
        duration_ns: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
        service_name: resource.get("service.name").cloned().unwrap_or_default(),
        resource: resource.clone(),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair.value.as_ref())))
        .collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::ArrayValue(list)) => list
            .values
            .iter()
            .map(|value| text(Some(value)))
            .collect::<Vec<_>>()
            .join(","),
        Some(other) => format!("{other:?}"),
    }
}
