//! An OTLP/HTTP receiver inside the test, in place of a collector.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{self as wire, status::StatusCode};
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::PATIENCE;

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

/// Headers of one request, names in lower case.
type Headers = BTreeMap<String, String>;

/// A collector on 127.0.0.1 that keeps what it is sent; gone with its process.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    headers: Arc<Mutex<Headers>>,
    unavailable: Arc<AtomicBool>,
}

impl Receiver {
    /// A running receiver on a free port, on a thread and runtime of its own.
    ///
    /// # Panics
    /// When no port can be bound.
    #[must_use]
    pub fn start() -> Self {
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on 127.0.0.1");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let address = listener.local_addr().expect("a bound socket has an address");
        let spans = Arc::new(Mutex::new(Vec::new()));
        let unavailable = Arc::new(AtomicBool::new(false));
        let receiver = Self {
            address,
            spans,
            headers: Arc::default(),
            unavailable,
        };
        let served = receiver.clone();
        let serve = async move {
            let listener = TcpListener::from_std(listener).expect("a socket for tokio");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, served.clone()));
            }
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(serve);
        });
        receiver
    }

    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT`: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything received so far, in the order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no thread panics with the lock").clone()
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

    /// The headers of the last request, names in lower case.
    #[must_use]
    pub fn headers(&self) -> BTreeMap<String, String> {
        self.headers
            .lock()
            .expect("no thread panics with the lock")
            .clone()
    }

    /// From now on every request is answered with 503, or no longer.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::Relaxed);
    }

    /// Waits until `enough` holds of the spans received and returns them; fails the test after 20
    /// s.
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

/// Answers the requests of one connection until it closes.
async fn serve(stream: TcpStream, receiver: Receiver) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        *receiver.headers.lock().expect("no thread panics with the lock") = request.headers.clone();
        let is_protobuf = request
            .headers
            .get("content-type")
            .is_some_and(|sent| sent == "application/x-protobuf");
        let (status, body) = match (request.line.starts_with("POST /v1/traces "), request.body) {
            _ if receiver.unavailable.load(Ordering::Relaxed) => ("503 Service Unavailable", Vec::new()),
            (true, Some(_)) if !is_protobuf => ("415 Unsupported Media Type", Vec::new()),
            (true, Some(body)) => match ExportTraceServiceRequest::decode(body.as_slice()) {
                Ok(export) => {
                    receiver
                        .spans
                        .lock()
                        .expect("no thread panics with the lock")
                        .extend(received(export));
                    ("200 OK", ExportTraceServiceResponse::default().encode_to_vec())
                }
                Err(error) => ("400 Bad Request", error.to_string().into_bytes()),
            },
            (true, None) => ("411 Length Required", Vec::new()),
            (false, _) => ("404 Not Found", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.flush().await?;
    }
    Ok(())
}

struct Request {
    line: String,
    headers: Headers,
    /// None without a `content-length`.
    body: Option<Vec<u8>>,
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut headers = Headers::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if headers.contains_key("expect") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = length.map(|length: usize| vec![0; length]);
    if let Some(body) = &mut body {
        stream.read_exact(body).await?;
    }
    Ok(Some(Request { line, headers, body }))
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
