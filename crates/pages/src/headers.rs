//! The security headers of pages.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::Site;

/// The headers that every page carries.
#[derive(Clone, Debug)]
pub struct PageHeaders {
    content_security_policy: HeaderValue,
    strict_transport: bool,
}

/// Scripts hand no text to what runs or parses it, but through this policy of their own.
const TRUSTED_TYPES: &str = "; require-trusted-types-for 'script'; trusted-types shop";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Two years.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000");

impl PageHeaders {
    /// Pictures come from the own origin and from `image_hosts` over HTTPS, everything else from
    /// the own origin. `strict_transport`: browsers come back over HTTPS only.
    pub fn new(image_hosts: &[String], strict_transport: bool) -> PageHeaders {
        let hosts: String = image_hosts
            .iter()
            .map(|host| format!(" https://{host}"))
            .collect();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{hosts}; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
        );
        PageHeaders {
            content_security_policy: HeaderValue::from_str(&policy)
                .unwrap_or(HeaderValue::from_static("default-src 'none'")),
            strict_transport,
        }
    }

    /// The same, for pages whose scripts parse HTML through the policy `shop` alone.
    #[must_use]
    pub fn with_trusted_types(mut self) -> PageHeaders {
        let policy = [self.content_security_policy.as_bytes(), TRUSTED_TYPES.as_bytes()].concat();
        if let Ok(policy) = HeaderValue::from_bytes(&policy) {
            self.content_security_policy = policy;
        }
        self
    }

    /// Adds them to a response for `site`.
    ///
    /// Browsers ignore COOP, with a message on their console, where the origin is not trustworthy.
    pub fn apply(&self, site: &Site, headers: &mut HeaderMap) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            self.content_security_policy.clone(),
        );
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(
            PERMISSIONS_POLICY,
            HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        );
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        if site.is_trustworthy() {
            headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
        }
        if self.strict_transport {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
        }
    }
}
