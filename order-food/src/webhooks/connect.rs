//! Connections to receivers: only to addresses that are allowed, checked after name resolution and
//! again on the connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower_service::Service;

use super::address::is_public;
use super::url::EndpointUrl;

/// Opens TCP connections. Names are resolved here, and the connection is opened to an address that
/// was checked: a name that resolves to something else a moment later changes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct GuardedConnector {
    /// Private addresses, too; and plain HTTP, to private addresses only.
    pub(super) allow_private: bool,
}

/// No connection to the receiver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the URL names no host")]
    NoHost,
    #[error("the name cannot be resolved")]
    Unresolved(#[source] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("{0} is not an address of the public internet")]
    Private(IpAddr),
    #[error("plain HTTP is for private addresses only, not for {0}")]
    PublicHttp(IpAddr),
    #[error("no connection to {0}")]
    Failed(SocketAddr, #[source] io::Error),
    #[error("no connection to {0} within 5 s")]
    Late(SocketAddr),
}

/// Limit of the attempt to connect to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// Why no delivery to this URL can succeed as its name resolves now; `None` also when it does not
/// resolve, which may change.
pub(crate) async fn refused_address(url: &EndpointUrl, allow_private: bool) -> Option<ConnectError> {
    let connector = GuardedConnector { allow_private };
    let uri: Uri = url.as_str().parse().ok()?;
    let encrypted = uri.scheme_str() != Some("http");
    let found = timeout(CONNECT_TIMEOUT, addresses(&uri)).await.ok()?.ok()?;
    let mut refusal = None;
    for address in found {
        match connector.check(address.ip(), encrypted) {
            Ok(()) => return None,
            Err(refused) => refusal = Some(refused),
        }
    }
    refusal
}

impl GuardedConnector {
    async fn connect(self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let encrypted = uri.scheme_str() != Some("http");
        let mut last = ConnectError::NoAddress;
        let mut tried = 0;
        for address in addresses(&uri).await? {
            if let Err(refusal) = self.check(address.ip(), encrypted) {
                last = refusal;
                continue;
            }
            if tried == MOST_ADDRESSES {
                break;
            }
            tried += 1;
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let peer = stream
                        .peer_addr()
                        .map_err(|error| ConnectError::Failed(address, error))?;
                    self.check(peer.ip(), encrypted)?;
                    // Requests are small; without it the body may wait for an acknowledgment.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = ConnectError::Failed(address, error),
                Err(_) => last = ConnectError::Late(address),
            }
        }
        Err(last)
    }

    fn check(self, address: IpAddr, encrypted: bool) -> Result<(), ConnectError> {
        match (is_public(address), encrypted) {
            (true, false) => Err(ConnectError::PublicHttp(address)),
            (true, true) => Ok(()),
            (false, _) if self.allow_private => Ok(()),
            (false, _) => Err(ConnectError::Private(address)),
        }
    }
}

/// The addresses of the host, or the address that stands in its place.
async fn addresses(uri: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = uri.host().ok_or(ConnectError::NoHost)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    });
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = lookup_host((host, port))
        .await
        .map_err(ConnectError::Unresolved)?;
    Ok(found.collect())
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<TokioIo<TcpStream>, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = *self;
        async move { connector.connect(uri).await.map(TokioIo::new) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn refusal(uri: &str, allow_private: bool) -> String {
        let connector = GuardedConnector { allow_private };
        connector
            .connect(uri.parse().unwrap())
            .await
            .unwrap_err()
            .to_string()
    }

    #[tokio::test]
    async fn with_the_setting_private_addresses_are_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let connector = GuardedConnector { allow_private: true };

        assert!(connector.connect(uri.parse().unwrap()).await.is_ok());
    }

    #[tokio::test]
    async fn plain_http_never_leaves_for_the_internet() {
        for allow_private in [true, false] {
            let refused = refusal("http://8.8.8.8/", allow_private).await;
            assert!(refused.contains("plain HTTP"), "{refused}");
        }
        assert!(
            refusal("http://127.0.0.1:1/", false)
                .await
                .contains("public internet")
        );
    }
}
