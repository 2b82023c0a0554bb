//! The catalogue.

use database::rows::{self, ProductRow};
use process::failure::Failure;
use shop::{Image, Money, Product, ProductId};

use super::table::{Table, column};
use super::{Dataset, Notes, Seen};
use crate::formats::{Column, Fields, member, optional, required, text};
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

pub(super) const PRODUCTS: Dataset = Dataset {
    name: "products",
    tables: &[TABLE],
    own_keys: &[],
    refers_to: &[],
    span: || super::span!("dataload.loadProducts", "products"),
    parse: |inputs, _, data, notes| {
        data.products = read(&inputs.sources, notes)?;
        Ok(())
    },
    counts: |data| vec![("products", data.products.len())],
    staged: |data| {
        let rows = data.products.iter().cloned().map(ProductRow::from);
        super::staged(&TABLE, rows, |row| row.id.to_string())
    },
};

fn read(inputs: &[Input], notes: &mut Notes) -> Result<Vec<Product>, Failure> {
    let mut ids = Seen::new();
    super::table(inputs, COLUMNS, notes, |fields| {
        let id = super::unique(&mut ids, "id", fields, ProductId::parse);
        let name = fields.required("name", text::words(200));
        let price = fields.required("price", Money::parse);
        let category = fields.required("category", text::words(100));
        let image = image(fields);
        Some(Product {
            id: id?,
            name: name?.into(),
            price: price?,
            category: category?.into(),
            image: image?,
        })
    })
}

fn image(fields: &mut Fields<'_>) -> Option<Option<Image>> {
    let address = |text: &str| {
        let address = text::words(2000)(text)?;
        Image::address(&address).map_err(|problem| problem.to_string())?;
        Ok::<_, String>(address)
    };
    let mut address = |column| fields.optional(column, address);
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
