//! The settings of the storefront.

use pages::Currency;
use process::failure::{ExitCode, Failure};
use serde::Deserialize;
use url::{Host, Position, Url};
use uuid::Uuid;

use crate::http::Origin;

/// Section `[storefront]`; keys, units and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub key_id: Option<Uuid>,
    pub public_origin: Option<Origin>,
    pub currency: String,
    pub image_hosts: Vec<String>,
    pub orders_per_address: u32,
    pub order_link_days: u32,
}

/// Environment variables and the settings that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("STOREFRONT_KEY_ID", "storefront.key_id"),
    ("PUBLIC_ORIGIN", "storefront.public_origin"),
    ("CURRENCY", "storefront.currency"),
    ("STOREFRONT_IMAGE_HOSTS", "storefront.image_hosts"),
    ("STOREFRONT_ORDERS_PER_ADDRESS", "storefront.orders_per_address"),
    ("ORDER_LINK_DAYS", "storefront.order_link_days"),
];

/// The key row of the sample profiles, whose id everybody knows.
pub(crate) const SAMPLE_KEY_ID: Uuid = Uuid::from_u128(0x018f_4e5a_0000_7000_8000_0000_0000_00c0);

impl Settings {
    /// The numbers with their environment variables and ranges.
    pub(crate) fn ranges(&self) -> [(&'static str, u64, std::ops::RangeInclusive<u64>); 2] {
        [
            (
                "STOREFRONT_ORDERS_PER_ADDRESS",
                self.orders_per_address.into(),
                0..=1_000_000,
            ),
            ("ORDER_LINK_DAYS", self.order_link_days.into(), 1..=3_650),
        ]
    }

    /// Orders of an address in ten minutes (0: any number); `None`: none are taken.
    pub(crate) fn visitors_orders(&self) -> Option<u32> {
        self.key_id.map(|_| self.orders_per_address)
    }

    /// Checks what is no number.
    ///
    /// # Errors
    /// Exit code 2, naming the setting.
    pub(crate) fn check(&self, production: bool) -> Result<(), Failure> {
        let refuse = |setting: &str, problem: &str| {
            Err(Failure::new(ExitCode::Usage, format!("{setting}: {problem}")))
        };
        self.currency()?;
        if let Some(host) = self.image_hosts.iter().find(|host| !is_host(host)) {
            return refuse(
                "STOREFRONT_IMAGE_HOSTS",
                &format!("{host:?} is no host like img.example.com or img.example.com:8443"),
            );
        }
        match &self.public_origin {
            Some(origin) if !origin.as_str().starts_with("http") => {
                return refuse("PUBLIC_ORIGIN", "is of the form https://host[:port]");
            }
            None if production && self.key_id.is_some() => {
                return refuse(
                    "PUBLIC_ORIGIN",
                    "has no default in production: where browsers see the storefront, https://host[:port]",
                );
            }
            _ => {}
        }
        if production && self.key_id == Some(SAMPLE_KEY_ID) {
            return refuse(
                "STOREFRONT_KEY_ID",
                "is that of the sample profiles, which everybody knows: production has a key row of its own",
            );
        }
        Ok(())
    }

    /// The currency of all prices.
    ///
    /// # Errors
    /// Exit code 2 when it is none.
    pub(crate) fn currency(&self) -> Result<Currency, Failure> {
        Currency::parse(&self.currency)
            .map_err(|problem| Failure::new(ExitCode::Usage, format!("CURRENCY: {problem}")))
    }
}

/// Host or host:port, as it stands in an address and in a content security policy.
fn is_host(text: &str) -> bool {
    let Ok(url) = Url::parse(&format!("https://{text}/")) else {
        return false;
    };
    let is_plain = match url.host() {
        Some(Host::Domain(name)) => name
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || b"-.".contains(&letter)),
        Some(Host::Ipv4(_)) => true,
        _ => false,
    };
    is_plain && &url[Position::BeforeHost..Position::AfterPort] == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_pictures_are_hosts_and_nothing_else() {
        for host in ["img.example.com", "img.example.com:8443", "192.0.2.1"] {
            assert!(is_host(host), "{host}");
        }
        for text in [
            "",
            "https://img.example.com",
            "img.example.com/",
            "*.example.com",
            "*",
            "a b",
            "a;script-src *",
            "user@a",
            "IMG.example.com",
            "'self'",
        ] {
            assert!(!is_host(text), "{text}");
        }
    }
}
