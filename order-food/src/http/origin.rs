//! The origins of `CORS_ALLOWED_ORIGINS`, as browsers write them.

use serde::Deserialize;
use url::Url;

/// An origin that a browser can send: scheme, host in lower case and Punycode, port unless it is
/// the scheme's; or `null`, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

/// No browser sends this as an origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {problem}")]
pub struct NotAnOrigin {
    text: String,
    problem: &'static str,
}

impl Origin {
    /// The text of the header `Origin`, or `*`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for any origin.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }
}

impl TryFrom<String> for Origin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Origin, NotAnOrigin> {
        if matches!(text.as_str(), "*" | "null") {
            return Ok(Origin(text));
        }
        let url = Url::parse(&text)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()));
        let problem = match url {
            _ if text.contains('*') => {
                "matches no origin: a wildcard stands alone, so list each origin or write *"
            }
            None => "is neither * nor of the form https://host[:port]",
            Some(url) if url.path() != "/" || text.trim_end().ends_with(['/', '?', '#']) => {
                "matches no origin: an origin ends with host or port, without slash and path"
            }
            Some(url) if url.query().is_some() || url.fragment().is_some() => {
                "matches no origin: an origin has neither query nor fragment"
            }
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                "matches no origin: an origin has no user and no password"
            }
            Some(url) => return Ok(Origin(url.origin().ascii_serialization())),
        };
        Err(NotAnOrigin { text, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Origin, NotAnOrigin> {
        Origin::try_from(text.to_owned())
    }

    #[test]
    fn origins_are_kept_as_browsers_send_them() {
        for (text, sent) in [
            ("*", "*"),
            ("null", "null"),
            ("https://shop.example.com", "https://shop.example.com"),
            ("https://Shop.Example.COM", "https://shop.example.com"),
            ("HTTPS://shop.example.com", "https://shop.example.com"),
            ("https://shop.example.com:443", "https://shop.example.com"),
            ("http://shop.example.com:80", "http://shop.example.com"),
            ("http://shop.example.com:443", "http://shop.example.com:443"),
            ("https://shop.example.com:08443", "https://shop.example.com:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0::1]", "http://[::1]"),
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
            (" https://shop.example.com ", "https://shop.example.com"),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), sent, "{text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused_in_words() {
        for (text, word) in [
            ("https://*.example.com", "wildcard"),
            ("http://localhost:*", "wildcard"),
            ("https://*", "wildcard"),
            ("*.example.com", "wildcard"),
            ("https://shop.example.com/", "slash"),
            ("https://shop.example.com:443/", "slash"),
            ("https://shop.example.com/menu", "path"),
            ("https://shop.example.com/?", "slash"),
            ("https://shop.example.com?a=b", "query"),
            ("https://shop.example.com#a", "fragment"),
            ("https://user@shop.example.com", "user"),
            ("https://user:word@shop.example.com", "password"),
            ("shop.example.com", "of the form"),
            ("localhost:3000", "of the form"),
            ("https://", "of the form"),
            ("https://:443", "of the form"),
            ("https://shop.example.com:99999", "of the form"),
            ("https://a b", "of the form"),
            ("ftp://shop.example.com", "of the form"),
            ("file:///index.html", "of the form"),
            ("", "of the form"),
            ("Null", "of the form"),
        ] {
            let refusal = parse(text).unwrap_err().to_string();
            assert!(refusal.contains(word), "{text}: {refusal}");
        }
    }
}
