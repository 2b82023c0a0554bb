//! A wire between browser and shop that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on between a port of its own and that of a shop.
pub(crate) struct Relay {
    port: u16,
    is_losing: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) async fn to(shop: u16) -> Relay {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let is_losing = Arc::new(AtomicBool::new(false));
        let flag = is_losing.clone();
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                tokio::spawn(pass(browser, shop, flag.clone()));
            }
        });
        Relay { port, is_losing }
    }

    /// Where browsers see the shop.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether answers are lost; requests always arrive.
    pub(crate) fn lose_answers(&self, lose: bool) {
        self.is_losing.store(lose, Ordering::Relaxed);
    }
}

/// One connection, until either side closes it.
async fn pass(browser: TcpStream, shop: u16, is_losing: Arc<AtomicBool>) {
    let Ok(shop) = TcpStream::connect(("127.0.0.1", shop)).await else {
        return;
    };
    let (mut from_browser, mut to_browser) = browser.into_split();
    let (mut from_shop, mut to_shop) = shop.into_split();
    let requests = async { tokio::io::copy(&mut from_browser, &mut to_shop).await.map(drop) };
    let answers = async {
        let mut buffer = vec![0; 16_384];
        loop {
            let read = from_shop.read(&mut buffer).await?;
            if read == 0 {
                return Ok::<_, std::io::Error>(());
            }
            if !is_losing.load(Ordering::Relaxed) {
                to_browser.write_all(&buffer[..read]).await?;
            }
        }
    };
    tokio::select! {
        _ = requests => (),
        _ = answers => (),
    }
}
