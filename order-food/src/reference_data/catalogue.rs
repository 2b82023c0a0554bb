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

use super::Unusable;
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

/// Addresses of a product's pictures, by the size of the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Image {
    thumbnail: String,
    mobile: String,
    tablet: String,
    desktop: String,
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

/// The available products by id.
pub(super) async fn read_products(connection: &mut AsyncPgConnection) -> Result<Vec<Product>, Unusable> {
    let rows: Vec<(i64, String, Amount, String, Option<Value>)> = products::table
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
    rows.into_iter()
        .map(|(id, name, Amount(price), category, image)| {
            let id =
                ProductId::new(id).map_err(|problem| Unusable::Row(format!("products {id}: {problem}")))?;
            let image = image.map(serde_json::from_value).transpose();
            let image = image.map_err(|problem| Unusable::Row(format!("products {id}: image: {problem}")))?;
            Ok(Product {
                id,
                name: name.into(),
                price,
                category: category.into(),
                image,
            })
        })
        .collect()
}

fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Strings, numbers and structs with string keys: serde_json writes them all.
    serde_json::to_vec(value).unwrap_or_default()
}
