//! Where the servers send their spans: answered with 200 and thrown away, so that tracing costs what it costs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Collector {
    pub(crate) port: u16,
    bytes: Arc<AtomicU64>,
}

impl Collector {
    pub(crate) fn start() -> anyhow::Result<Collector> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = bytes.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = counter.clone();
                // A sender that breaks off is no concern of ours.
                std::thread::spawn(move || answer(stream, &counter));
            }
        });
        Ok(Collector { port, bytes })
    }

    /// Bytes of spans received so far.
    pub(crate) fn received(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn answer(stream: TcpStream, counter: &AtomicU64) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let read = std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
        counter.fetch_add(read, Ordering::Relaxed);
        stream.get_mut().write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n",
        )?;
    }
}
