//! The catalogue: the available products with the bytes of each answer made in advance.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use database::amount::Amount;
use database::schema::products;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop::{Money, ProductId};
use utoipa::ToSchema;

use super::table::{Column, SkippedRows, readable};
use crate::http::representation::{JSON, Representation};

/// Something that can be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Product {
    /// Decimal digits of a positive 64-bit integer.
    #[schema(value_type = String, example = "1", pattern = "^[1-9][0-9]{0,18}$")]
    pub(crate) id: ProductId,
    #[schema(value_type = String, example = "Chicken Waffle")]
    pub(crate) name: Arc<str>,
    /// Price of one unit, with two decimals.
    #[schema(value_type = f64, example = 12.99, minimum = 0)]
    pub(crate) price: Money,
    #[schema(value_type = String, example = "Waffle")]
    pub(crate) category: Arc<str>,
    /// Addresses of pictures, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<Image>,
}

/// Addresses of a product's pictures, by the size of the screen, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Image {
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tablet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desktop: Option<String>,
}

/// The available products, in numeric id order, with the bytes of each answer made in advance.
#[derive(Debug)]
pub(crate) struct Catalogue {
    products: Vec<Product>,
    by_id: HashMap<ProductId, (usize, Representation)>,
    whole: Representation,
    modified: Option<DateTime<Utc>>,
}

impl Catalogue {
    /// A catalogue of `products`, which come in id order; `modified` is when they were published.
    pub(crate) fn new(products: Vec<Product>, modified: Option<DateTime<Utc>>) -> Catalogue {
        let whole = Representation::made_once(JSON, json(&products), modified);
        let by_id = products
            .iter()
            .enumerate()
            .map(|(index, product)| {
                (
                    product.id,
                    (index, Representation::made_once(JSON, json(product), modified)),
                )
            })
            .collect();
        Catalogue {
            products,
            by_id,
            whole,
            modified,
        }
    }

    /// Whether it was made of these products, published then.
    pub(crate) fn is_of(&self, products: &[Product], modified: Option<DateTime<Utc>>) -> bool {
        self.products == products && self.modified == modified
    }

    /// When its products were published.
    pub(super) fn modified(&self) -> Option<DateTime<Utc>> {
        self.modified
    }

    /// How many products there are.
    pub(crate) fn len(&self) -> usize {
        self.products.len()
    }

    /// The product with this id.
    pub(crate) fn product(&self, id: ProductId) -> Option<&Product> {
        self.products.get(self.by_id.get(&id)?.0)
    }

    /// The ready answer for one product.
    pub(crate) fn one(&self, id: ProductId) -> Option<&Representation> {
        self.by_id.get(&id).map(|(_, representation)| representation)
    }

    /// The ready answer for all products.
    pub(crate) fn whole(&self) -> &Representation {
        &self.whole
    }

    /// The products of a category (`None`: of all) after the id `after`, at most `limit`, and the
    /// id to go on after if more follow.
    pub(crate) fn page(
        &self,
        category: Option<&str>,
        after: Option<ProductId>,
        limit: usize,
    ) -> (Representation, Option<ProductId>) {
        let start = after.map_or(0, |after| {
            self.products.partition_point(|product| product.id <= after)
        });
        let mut rest = self
            .products
            .iter()
            .skip(start)
            .filter(|product| category.is_none_or(|category| &*product.category == category));
        let page: Vec<&Product> = rest.by_ref().take(limit).collect();
        let next = page
            .last()
            .filter(|_| rest.next().is_some())
            .map(|product| product.id);
        (Representation::made_now(json(&page), self.modified), next)
    }
}

type Row = (
    i64,
    Column<String>,
    Column<Amount>,
    Column<String>,
    Option<Column<Value>>,
);

/// The available products by id.
pub(super) async fn read_products(
    connection: &mut AsyncPgConnection,
) -> QueryResult<(Vec<Product>, SkippedRows)> {
    let rows: Vec<Row> = products::table
        .select((
            products::id,
            products::name,
            products::price,
            products::category,
            products::image,
        ))
        .filter(products::available)
        .order(products::id)
        .load(connection)
        .await?;
    let product = |row: Row| {
        let id = row.0;
        product(row).map_err(|problem| format!("{id}: {problem}"))
    };
    Ok(readable(rows.into_iter().map(product)))
}

fn product((id, name, price, category, image): Row) -> Result<Product, String> {
    let Amount(price) = price.value("price")?;
    let image = image.map(|image| image.value("image")).transpose()?;
    let image: Option<Image> =
        serde_json::from_value(image.unwrap_or_default()).map_err(|problem| format!("image: {problem}"))?;
    Ok(Product {
        id: ProductId::new(id).map_err(|problem| problem.to_string())?,
        name: name.value("name")?.into(),
        price,
        category: category.value("category")?.into(),
        image: image.filter(|image| *image != Image::default()),
    })
}

fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Strings, numbers and structs with string keys: serde_json writes them all.
    serde_json::to_vec(value).unwrap_or_default()
}
