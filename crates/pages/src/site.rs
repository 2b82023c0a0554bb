//! The origin under which a browser sees the pages, and the check of requests that change
//! something.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use url::{Host, Url};

/// The own origin, as the browser of one request sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    origin: String,
    trustworthy: bool,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Site {
    /// The site of a request with these headers.
    ///
    /// `public_origin` is the configured one. Without it, the scheme is that of
    /// `X-Forwarded-Proto` where the request came through a trusted proxy, and else `http`; the
    /// host is that of the header `Host`.
    pub fn of(headers: &HeaderMap, public_origin: Option<&str>, through_trusted_proxy: bool) -> Site {
        if let Some(origin) = public_origin {
            return Site::at(origin);
        }
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let is_https = through_trusted_proxy
            && text(&X_FORWARDED_PROTO).is_some_and(|scheme| {
                let last = scheme.rsplit(',').next().unwrap_or(scheme);
                last.trim().eq_ignore_ascii_case("https")
            });
        let scheme = if is_https { "https" } else { "http" };
        Site::at(&format!("{scheme}://{}", text(&header::HOST).unwrap_or_default()))
    }

    fn at(address: &str) -> Site {
        let Ok(url) = Url::parse(address) else {
            return Site {
                origin: String::new(),
                trustworthy: false,
            };
        };
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        Site {
            trustworthy: url.scheme() == "https" || is_loopback,
            origin: url.origin().ascii_serialization(),
        }
    }

    /// Scheme, host and port as browsers write them.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether browsers take `Secure` cookies and COOP here: HTTPS, or a loopback address.
    pub fn is_trustworthy(&self) -> bool {
        self.trustworthy
    }

    /// The name of a cookie here: with the prefix that ties it to this host where browsers take it.
    pub fn cookie_name(&self, name: &str) -> String {
        match self.trustworthy {
            true => format!("__Host-{name}"),
            false => name.to_owned(),
        }
    }

    /// The header `Set-Cookie`: for all paths, out of reach of scripts, not sent by other sites'
    /// forms.
    pub fn set_cookie(&self, name: &str, value: &str, max_age_s: u32) -> String {
        let secure = if self.trustworthy { "; Secure" } else { "" };
        format!(
            "{}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}",
            self.cookie_name(name)
        )
    }

    /// The value of this site's cookie `name`; the first where it is sent twice.
    pub fn cookie<'a>(&self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        let prefix = if self.trustworthy { "__Host-" } else { "" };
        headers
            .get_all(header::COOKIE)
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(sent, value)| (sent.strip_prefix(prefix)? == name).then_some(value))
    }

    /// Whether a request may change something: it was made by a page of this site.
    ///
    /// `Sec-Fetch-Site` decides where the browser sends it, else `Origin`; a request with neither
    /// may not. GET, HEAD and OPTIONS change nothing and always may.
    pub fn may_change(&self, method: &Method, headers: &HeaderMap) -> bool {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            return true;
        }
        match (headers.get(SEC_FETCH_SITE), headers.get(header::ORIGIN)) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => !self.origin.is_empty() && origin == self.origin.as_str(),
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn the_origin_is_the_public_one_else_that_of_the_request() {
        let forwarded = headers(&[("host", "shop.example:8443"), ("x-forwarded-proto", "https")]);
        let at = |host: &'static str| headers(&[("host", host)]);
        let nowhere = headers(&[]);
        for (sent, public, proxied, origin, trustworthy) in [
            (&forwarded, None, true, "https://shop.example:8443", true),
            (&forwarded, None, false, "http://shop.example:8443", false),
            (
                &forwarded,
                Some("https://food.example"),
                false,
                "https://food.example",
                true,
            ),
            (&at("localhost:8080"), None, false, "http://localhost:8080", true),
            (&at("127.0.0.1:80"), None, false, "http://127.0.0.1", true),
            (&at("[::1]:81"), None, false, "http://[::1]:81", true),
            (
                &at("localhost.evil.example"),
                None,
                false,
                "http://localhost.evil.example",
                false,
            ),
            (&nowhere, None, false, "", false),
        ] {
            let site = Site::of(sent, public, proxied);
            assert_eq!((site.origin(), site.is_trustworthy()), (origin, trustworthy));
        }
        let chain = headers(&[("host", "shop"), ("x-forwarded-proto", "https, http")]);
        assert!(!Site::of(&chain, None, true).is_trustworthy());
    }

    #[test]
    fn only_pages_of_the_own_origin_may_change_something() {
        let site = Site::of(&headers(&[("host", "shop.example")]), None, false);
        for (sent, may) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "http://elsewhere.example"),
                ],
                true,
            ),
            (
                &[("sec-fetch-site", "same-site"), ("origin", "http://shop.example")],
                false,
            ),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "")], false),
            (&[("origin", "http://shop.example")], true),
            (&[("origin", "https://shop.example")], false),
            (&[("origin", "http://shop.example:81")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            assert_eq!(site.may_change(&Method::POST, &headers(sent)), may, "{sent:?}");
            assert!(site.may_change(&Method::GET, &headers(sent)), "{sent:?}");
        }
    }

    #[test]
    fn cookies_are_tied_to_the_host_where_browsers_take_that() {
        let plain = Site::of(&headers(&[("host", "shop.example")]), None, false);
        let secure = Site::of(&headers(&[]), Some("https://shop.example"), false);
        let sent = headers(&[
            ("cookie", "a=b; cart=plain; __Host-cart=tied"),
            ("cookie", "cart=second"),
        ]);

        assert_eq!(plain.cookie(&sent, "cart"), Some("plain"));
        assert_eq!(secure.cookie(&sent, "cart"), Some("tied"));
        assert_eq!(plain.cookie(&sent, "other"), None);
        assert_eq!(
            plain.set_cookie("cart", "x", 9),
            "cart=x; Path=/; Max-Age=9; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            secure.set_cookie("cart", "x", 9),
            "__Host-cart=x; Path=/; Max-Age=9; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
