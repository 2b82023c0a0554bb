//! The address of an endpoint, checked when an operator adds it.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::address::is_public;

/// An address that webhooks may be sent to, as far as its text tells: what its name resolves to is
/// checked at each connection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EndpointUrl(Url);

/// The text is no address for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAnEndpointUrl {
    #[error("is not an absolute URL: {0}")]
    Malformed(url::ParseError),
    #[error("is longer than {MAX_LENGTH} characters")]
    TooLong,
    #[error("has the scheme {0}; only https is taken")]
    Scheme(String),
    #[error("uses http, which WEBHOOK_ALLOW_PRIVATE allows for private addresses only")]
    PublicHttp,
    #[error("holds a user name or password; receivers verify signatures instead")]
    Credentials,
    #[error("has a fragment, which is never sent")]
    Fragment,
    #[error("leads to {0}, which is not an address of the public internet")]
    Private(String),
}

const MAX_LENGTH: usize = 2048;

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "EndpointUrl({}…)", self.origin())
    }
}

impl EndpointUrl {
    /// Reads the address. With `allow_private`, private addresses are taken, by http, too.
    ///
    /// # Errors
    /// [`NotAnEndpointUrl`].
    pub(crate) fn parse(text: &str, allow_private: bool) -> Result<EndpointUrl, NotAnEndpointUrl> {
        let url = Url::parse(text.trim()).map_err(NotAnEndpointUrl::Malformed)?;
        if url.as_str().len() > MAX_LENGTH {
            return Err(NotAnEndpointUrl::TooLong);
        }
        if !(url.scheme() == "https" || (url.scheme() == "http" && allow_private)) {
            return Err(NotAnEndpointUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotAnEndpointUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(NotAnEndpointUrl::Fragment);
        }
        match literal(&url) {
            Some(address) if is_public(address) && url.scheme() == "http" => {
                Err(NotAnEndpointUrl::PublicHttp)
            }
            Some(address) if !is_public(address) && !allow_private => {
                Err(NotAnEndpointUrl::Private(address.to_string()))
            }
            None if !allow_private && is_local_name(&url) => Err(NotAnEndpointUrl::Private(
                url.host_str().unwrap_or_default().to_owned(),
            )),
            _ => Ok(EndpointUrl(url)),
        }
    }

    /// The whole address.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port, for logs: paths and queries may hold a receiver's own secret.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

/// The address itself, where the URL names no host but an address.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Whether the name is defined to mean this machine or its own network.
fn is_local_name(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_end_matches('.');
    [".localhost", ".local", ".internal"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
        || name == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_to_the_internet_is_taken() {
        for text in [
            "https://shop.example/hooks/orders?team=1",
            "https://shop.example:8443/",
            "https://8.8.8.8/hook",
            "https://[2606:4700:4700::1111]/hook",
            "  https://shop.example/hook\n",
        ] {
            let url = EndpointUrl::parse(text, false).unwrap();
            assert!(url.as_str().starts_with("https://"), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, reason) in [
            ("shop.example/hook", "is not an absolute URL"),
            ("", "is not an absolute URL"),
            ("https://", "is not an absolute URL"),
            ("http://shop.example/hook", "only https"),
            ("ftp://shop.example/hook", "only https"),
            ("file:///etc/passwd", "only https"),
            ("https://user:password@shop.example/", "user name or password"),
            ("https://user@shop.example/", "user name or password"),
            ("https://shop.example/#here", "fragment"),
            ("https://127.0.0.1/", "127.0.0.1"),
            ("https://2130706433/", "127.0.0.1"),
            ("https://0x7f.1/", "127.0.0.1"),
            ("https://0177.0.0.1/", "127.0.0.1"),
            ("https://127.1:8443/", "127.0.0.1"),
            ("https://[::1]/", "::1"),
            ("https://[::ffff:10.0.0.1]/", "10.0.0.1"),
            ("https://[64:ff9b::a9fe:a9fe]/", "64:ff9b"),
            ("https://169.254.169.254/latest/meta-data", "169.254.169.254"),
            ("https://localhost/hook", "localhost"),
            ("https://LOCALHOST./hook", "localhost"),
            ("https://metadata.google.internal/", "metadata.google.internal"),
        ] {
            let refusal = EndpointUrl::parse(text, false).unwrap_err().to_string();
            assert!(refusal.contains(reason), "{text}: {refusal}");
            assert!(!refusal.contains("password@"), "{text}: {refusal}");
        }
        let long = format!("https://shop.example/{}", "x".repeat(2048));
        assert_eq!(EndpointUrl::parse(&long, false), Err(NotAnEndpointUrl::TooLong));
    }

    #[test]
    fn private_addresses_and_http_to_them_need_the_setting() {
        for text in [
            "http://127.0.0.1:9000/hook",
            "http://localhost:9000/hook",
            "https://10.0.0.1/",
        ] {
            assert!(EndpointUrl::parse(text, true).is_ok(), "{text}");
            assert!(EndpointUrl::parse(text, false).is_err(), "{text}");
        }
        assert_eq!(
            EndpointUrl::parse("http://8.8.8.8/", true),
            Err(NotAnEndpointUrl::PublicHttp)
        );
    }

    #[test]
    fn logs_see_the_origin_only() {
        let url = EndpointUrl::parse(
            "https://hooks.example:8443/services/T0/s3cret?token=s3cret",
            false,
        )
        .unwrap();

        assert_eq!(url.origin(), "https://hooks.example:8443");
        assert!(!format!("{url:?}").contains("s3cret"));
    }
}
