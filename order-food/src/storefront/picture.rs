//! The picture of a product: its own where pages may load it, else that of its category.

use shop::{Image, Product, ProductId};
use url::{Position, Url};

/// What stands for a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Picture<'a> {
    /// An address on a host that the content security policy allows.
    Address(&'a str),
    /// A symbol of `food.svg`.
    Symbol(&'static str),
}

/// The symbols of `food.svg` that are categories.
const CATEGORIES: [&str; 12] = [
    "burger", "curry", "dessert", "drinks", "pancakes", "pasta", "pizza", "salad", "sandwich", "soup",
    "sushi", "waffle",
];
/// The symbol of every other category.
pub(crate) const UNKNOWN: &str = "plate";

/// The tints of a symbol.
const TINTS: i64 = 6;

impl<'a> Picture<'a> {
    pub(crate) fn of(product: &'a Product, hosts: &[String]) -> Picture<'a> {
        match product.image.as_ref().and_then(|image| address(image, hosts)) {
            Some(address) => Picture::Address(address),
            None => Picture::Symbol(symbol(&product.category)),
        }
    }
}

/// The number of the tint that tells products of a category apart.
pub(crate) fn tint(id: ProductId) -> i64 {
    id.number() % TINTS
}

fn symbol(category: &str) -> &'static str {
    let known = CATEGORIES
        .into_iter()
        .find(|symbol| category.eq_ignore_ascii_case(symbol));
    known.unwrap_or(UNKNOWN)
}

/// The smallest of a product's pictures that lies on one of `hosts`.
fn address<'a>(image: &'a Image, hosts: &[String]) -> Option<&'a str> {
    [&image.thumbnail, &image.mobile, &image.tablet, &image.desktop]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .find(|address| is_on(address, hosts))
}

fn is_on(address: &str, hosts: &[String]) -> bool {
    let Ok(url) = Url::parse(address) else {
        return false;
    };
    let host = &url[Position::BeforeHost..Position::AfterPort];
    url.scheme() == "https" && url.username().is_empty() && hosts.iter().any(|known| known == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_from_listed_hosts_over_https_or_are_symbols() {
        let hosts = ["img.example.com".to_owned(), "cdn.example.com:8443".to_owned()];
        for (address, listed) in [
            ("https://img.example.com/1.jpg", true),
            ("https://cdn.example.com:8443/1.jpg", true),
            ("http://img.example.com/1.jpg", false),
            ("https://cdn.example.com/1.jpg", false),
            ("https://img.example.com.evil.example/1.jpg", false),
            ("https://img.example.com@evil.example/1.jpg", false),
            ("//img.example.com/1.jpg", false),
            ("/1.jpg", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(is_on(address, &hosts), listed, "{address}");
        }
        assert_eq!(symbol("Pizza"), "pizza");
        assert_eq!(symbol("Pizzas"), UNKNOWN);
    }
}
