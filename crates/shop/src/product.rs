//! Products as they are sold.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Money, ProductId};

/// Something that can be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Product {
    /// Written as a decimal string.
    pub id: ProductId,
    /// The name that clients show.
    pub name: Arc<str>,
    /// Price of one unit.
    pub price: Money,
    /// Heading under which the product is listed.
    pub category: Arc<str>,
    /// Addresses of pictures; `None` when none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
}

/// Addresses of a product's pictures by the size of the screen, each of them optional; see
/// [`Image::address`].
///
/// Sizes that this build does not know are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sizes name themselves")]
pub struct Image {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tablet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desktop: Option<String>,
}

impl Image {
    /// The image without what is no address, unless no size is left.
    pub fn known(self) -> Option<Image> {
        let address = |text: Option<String>| text.filter(|text| Image::address(text).is_ok());
        let image = Image {
            thumbnail: address(self.thumbnail),
            mobile: address(self.mobile),
            tablet: address(self.tablet),
            desktop: address(self.desktop),
        };
        Some(image).filter(|image| *image != Image::default())
    }

    /// The address of a picture as a page may use it: `http` or `https` with a host, or relative to
    /// the page. No other scheme: `javascript:` and `data:` would be run or shown as they are.
    ///
    /// # Errors
    /// [`NotAPicture`], also for what browsers cut off or ignore: controls, and blanks at the ends.
    pub fn address(text: &str) -> Result<&str, NotAPicture> {
        let is_clean = text.trim() == text && !text.contains(char::is_control);
        let is_web = |rest: &str| {
            rest.strip_prefix("//").is_some_and(|rest| {
                rest.starts_with(|first| !matches!(first, '/' | '\\' | '?' | '#' | ':' | '@'))
            })
        };
        let is_taken = match text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
            Some((scheme, rest)) => {
                let scheme = scheme.to_ascii_lowercase();
                matches!(scheme.as_str(), "http" | "https") && is_web(rest)
            }
            None => !text.is_empty(),
        };
        Some(text).filter(|_| is_clean && is_taken).ok_or(NotAPicture)
    }
}

/// A text that is no address of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither an http or https address nor a path")]
pub struct NotAPicture;

/// Whether a text before a colon is a scheme (RFC 3986, section 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that are no addresses of pictures; browsers read some of them as scripts.
    const REFUSED: [&str; 22] = [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript://example.com/%0Aalert(1)",
        " javascript:alert(1)",
        "\u{1}javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\u{a0}https://example.com/1.jpg",
        "data:image/png;base64,iVBORw0KGgo=",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://example.com/1",
        "ftp://example.com/1.jpg",
        "s3://bucket/1.jpg",
        "C:\\pictures\\1.jpg",
        "mailto:a@example.com",
        "http:",
        "https://",
        "https:///1.jpg",
        "https:1.jpg",
        "http://:80/",
        "",
    ];

    #[test]
    fn pictures_are_web_addresses_or_paths() {
        for address in [
            "https://example.com/1.jpg",
            "HTTP://example.com/1.jpg?size=2#a:b",
            "https://[::1]:8443/1.jpg",
            "https://example.com/a b.jpg",
            "//cdn.example.com/1.jpg",
            "/img/1.jpg",
            "img/12:30.jpg",
            "./a:b.jpg",
            "12:30.jpg",
            "?id=javascript:1",
            "t",
        ] {
            assert_eq!(Image::address(address), Ok(address));
        }
        for text in REFUSED {
            assert_eq!(Image::address(text), Err(NotAPicture), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_left_out_and_the_other_sizes_stay() {
        for text in REFUSED {
            let text = Some(text.to_owned());
            let image = Image {
                thumbnail: text.clone(),
                mobile: Some("/m.jpg".into()),
                tablet: text.clone(),
                desktop: text.clone(),
            };
            let mobile = Image {
                mobile: Some("/m.jpg".into()),
                ..Image::default()
            };
            assert_eq!(image.known(), Some(mobile), "{text:?}");

            let none = Image {
                desktop: text,
                ..Image::default()
            };
            assert_eq!(none.known(), None);
        }
    }
}
