//! An OTLP/HTTP collector in this process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// Keeps what it is sent; lives until the test process ends.
pub(super) struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    broken: Arc<AtomicBool>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (received, broken) = (Arc::default(), Arc::default());
        let (inbox, refuse) = (Arc::clone(&received), Arc::clone(&broken));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (inbox, refuse) = (Arc::clone(&inbox), Arc::clone(&refuse));
                std::thread::spawn(move || serve(&stream.unwrap(), &inbox, &refuse));
            }
        });
        Self {
            address,
            received,
            broken,
        }
    }

    /// From now on every request is answered with 503, or no longer.
    pub(super) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let scopes = received
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|r| &r.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The one span of this name.
    pub(super) fn span(&self, name: &str) -> Span {
        let mut spans: Vec<Span> = self
            .spans()
            .into_iter()
            .filter(|span| span.name == name)
            .collect();
        assert_eq!(spans.len(), 1, "spans called {name}");
        spans.remove(0)
    }

    /// An attribute of the first request's resource.
    pub(super) fn resource(&self, key: &str) -> Option<String> {
        let received = self.received.lock().unwrap();
        let resource = received.first()?.resource_spans.first()?.resource.clone()?;
        text(&resource.attributes, key)
    }
}

pub(super) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.clone()?.value? {
        any_value::Value::StringValue(text) => Some(text),
        any_value::Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

fn serve(stream: &TcpStream, inbox: &Mutex<Vec<ExportTraceServiceRequest>>, broken: &AtomicBool) {
    let mut reader = BufReader::new(stream);
    let mut length = None;
    let mut line = String::new();
    while matches!(reader.read_line(&mut line), Ok(read) if read > 0) {
        match line.trim_end().to_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = Some(value.parse::<usize>().unwrap()),
            Some(("content-type", value)) => assert_eq!(value, "application/x-protobuf"),
            _ => (),
        }
        if line == "\r\n"
            && let Some(length) = length.take()
        {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            inbox
                .lock()
                .unwrap()
                .push(ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
            let mut answer = stream;
            let status = if broken.load(Ordering::Relaxed) {
                "503 Unavailable"
            } else {
                "200 OK"
            };
            write!(answer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
        line.clear();
    }
}
