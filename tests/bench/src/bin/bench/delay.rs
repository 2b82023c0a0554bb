//! A TCP proxy that passes everything on after a while, as a network of that length would.

use std::net::{Ipv4Addr, TcpListener as Listener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Runs on a thread of its own until the process ends.
pub(crate) struct Delay {
    pub(crate) port: u16,
    micros: Arc<AtomicU64>,
}

impl Delay {
    /// In front of `target` on 127.0.0.1, without a delay yet.
    pub(crate) fn start(target: u16) -> anyhow::Result<Delay> {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let micros = Arc::new(AtomicU64::new(0));
        let delay = micros.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::spawn(move || runtime.block_on(serve(listener, target, delay)));
        Ok(Delay { port, micros })
    }

    /// From now on everything takes so long in each direction.
    pub(crate) fn set(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.micros.store(micros, Ordering::Relaxed);
    }
}

async fn serve(listener: Listener, target: u16, delay: Arc<AtomicU64>) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (near, _) = listener.accept().await?;
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
        for stream in [&near, &far] {
            stream.set_nodelay(true)?;
        }
        let (near, far) = (near.into_split(), far.into_split());
        tokio::spawn(pass(near.0, far.1, delay.clone()));
        tokio::spawn(pass(far.0, near.1, delay.clone()));
    }
}

/// What comes together is passed on together; what comes meanwhile does not wait for it.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    delay: Arc<AtomicU64>,
) {
    let (sender, mut late) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = late.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    loop {
        let mut bytes = Vec::with_capacity(64 * 1024);
        match from.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let due = Instant::now() + Duration::from_micros(delay.load(Ordering::Relaxed));
        if sender.send((due, bytes)).is_err() {
            return;
        }
    }
}
