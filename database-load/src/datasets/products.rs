//! The catalogue.

use std::collections::HashMap;

use process::failure::Failure;
use serde::Serialize;
use shop::{Money, ProductId};
use tracing::Span;

use super::table::{Table, column};
use super::{Data, Dataset, Inputs, Notes, Reading, Seen, StagedRow};
use crate::formats::{self, Column, Fields, optional, required, text};
use crate::sources::Input;

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

const TABLE: Table = Table::new(
    "products",
    &[
        column("id", "bigint"),
        column("name", "text"),
        column("price", "numeric(10, 2)"),
        column("category", "text"),
        column("image", "jsonb"),
    ],
    Some("available"),
);

pub(super) struct Products;

impl Dataset for Products {
    fn name(&self) -> &'static str {
        "products"
    }

    fn tables(&self) -> &'static [Table] {
        &[TABLE]
    }

    fn span(&self) -> Span {
        super::span!("dataload.loadProducts", self.name())
    }

    fn parse(
        &self,
        inputs: &Inputs,
        _reading: &Reading,
        data: &mut Data,
        notes: &mut Notes,
    ) -> Result<(), Failure> {
        data.products = read(&inputs.sources, notes)?;
        Ok(())
    }

    fn count(&self, data: &Data) -> usize {
        data.products.len()
    }

    fn staged(&self, data: &Data) -> Result<Vec<StagedRow>, Failure> {
        super::staged(&TABLE, &data.products, |product| product.id.to_string())
    }
}

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

fn read(inputs: &[Input], notes: &mut Notes) -> Result<Vec<Product>, Failure> {
    let mut seen: Seen<i64> = HashMap::new();
    let mut products = Vec::new();
    formats::read(inputs, COLUMNS, &mut notes.findings, |mut fields| {
        let id = fields.required("id", ProductId::parse);
        if let Some(id) = id {
            super::once(&mut seen, id.number(), "id", &mut fields);
        }
        let name = fields.required("name", text::words(200));
        let price = fields.required("price", Money::parse);
        let category = fields.required("category", text::words(100));
        let image = image(&mut fields);
        notes.development.note(&mut fields);
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
