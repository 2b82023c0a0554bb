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

/// Addresses of a product's pictures by the size of the screen, each of them optional.
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
    /// The image, unless no size of it is known.
    pub fn known(self) -> Option<Image> {
        Some(self).filter(|image| *image != Image::default())
    }
}
