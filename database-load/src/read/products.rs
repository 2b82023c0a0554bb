use std::collections::HashMap;

use process::failure::Failure;
use serde::Serialize;
use shop::{Money, ProductId};

use super::{Development, Seen};
use crate::input::Input;
use crate::table::{self, Column, Fields, Findings, optional, required, text};

const COLUMNS: &[Column] = &[
    required("id"),
    required("name"),
    required("price"),
    required("category"),
    optional("image_thumbnail"),
    optional("image_mobile"),
    optional("image_tablet"),
    optional("image_desktop"),
    optional("development"),
];

/// A row of `products`, in the shape that `dataset_rows` keeps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Product {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) price: Money,
    pub(crate) category: String,
    image: Option<Image>,
}

/// Addresses of one picture in several sizes.
#[derive(Clone, Debug, Serialize)]
struct Image {
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tablet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desktop: Option<String>,
}

pub(super) fn read(
    inputs: &[Input],
    findings: &mut Findings,
    development: &mut Development,
) -> Result<Vec<Product>, Failure> {
    let mut seen: Seen<i64> = HashMap::new();
    let mut products = Vec::new();
    table::read(inputs, COLUMNS, findings, |mut fields| {
        let id = fields.required("id", ProductId::parse);
        if let Some(id) = id {
            super::once(&mut seen, id.number(), "id", &mut fields);
        }
        let name = fields.required("name", text::words(200));
        let price = fields.required("price", Money::parse);
        let category = fields.required("category", text::words(100));
        let image = image(&mut fields);
        development.note(&mut fields);
        if let (Some(id), Some(name), Some(price), Some(category), Some(image)) =
            (id, name, price, category, image)
        {
            products.push(Product {
                id: id.number(),
                name,
                price,
                category,
                image,
            });
        }
    })?;
    Ok(products)
}

fn image(fields: &mut Fields<'_>) -> Option<Option<Image>> {
    let mut address = |column| fields.optional(column, text::words(2000));
    let (thumbnail, mobile) = (address("image_thumbnail"), address("image_mobile"));
    let (tablet, desktop) = (address("image_tablet"), address("image_desktop"));
    let image = Image {
        thumbnail: thumbnail?,
        mobile: mobile?,
        tablet: tablet?,
        desktop: desktop?,
    };
    let known = [&image.thumbnail, &image.mobile, &image.tablet, &image.desktop]
        .iter()
        .any(|size| size.is_some());
    Some(known.then_some(image))
}
