//! The catalogue.

use std::collections::HashMap;

use database::rows::{self, ProductRow};
use process::failure::Failure;
use shop::{Image, Money, Product, ProductId};
use tracing::Span;

use super::table::{Table, column};
use super::{Data, Dataset, Inputs, Notes, Reading, Seen, StagedRow};
use crate::formats::{self, Column, Fields, member, optional, required, text};
use crate::sources::Input;

const COLUMNS: &[Column] = &[
    required("id"),
    required("name"),
    required("price"),
    required("category"),
    member("image", "image_thumbnail"),
    member("image", "image_mobile"),
    member("image", "image_tablet"),
    member("image", "image_desktop"),
    optional("development"),
];

const TABLE: Table = Table {
    is_served: Some(|row| rows::served::<ProductRow, Product>(row).map(drop)),
    ..Table::new(
        "products",
        &[
            column("id", "bigint"),
            column("name", "text"),
            column("price", "numeric(10, 2)"),
            column("category", "text"),
            column("image", "jsonb"),
        ],
        Some("available"),
    )
};

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
        let rows = data.products.iter().cloned().map(ProductRow::from);
        super::staged(&TABLE, rows, |row| row.id.to_string())
    }
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
                id,
                name: name.into(),
                price,
                category: category.into(),
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
    Some(image.known())
}
