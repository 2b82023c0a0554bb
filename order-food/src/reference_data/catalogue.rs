//! The catalogue: the available products with the bytes of each answer made in advance.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::rows::{Attempt, ProductRow};
use database::schema::products;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use shop::{Product, ProductId};

use super::table::{SkippedRows, served};
use crate::http::representation::{JSON, Representation};

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

    /// All products, by id.
    pub(crate) fn products(&self) -> &[Product] {
        &self.products
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

/// The available products by id. When none of several rows can be read, it is the table that is
/// unreadable: an empty catalogue would end the sale.
pub(super) async fn read_products(
    connection: &mut AsyncPgConnection,
) -> QueryResult<(Vec<Product>, SkippedRows)> {
    let rows: Vec<(i64, Attempt<ProductRow>)> = products::table
        .select((products::id, Attempt::<ProductRow>::as_select()))
        .filter(products::available)
        .order(products::id)
        .load(connection)
        .await?;
    let (products, skipped): (Vec<Product>, _) = served(rows);
    match &*skipped.named {
        [first, _, ..] if products.is_empty() => {
            let count = skipped.count;
            let problem = format!("none of its {count} rows can be read, the first: {first}");
            Err(diesel::result::Error::DeserializationError(problem.into()))
        }
        _ => Ok((products, skipped)),
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Strings, numbers and structs with string keys: serde_json writes them all.
    serde_json::to_vec(value).unwrap_or_default()
}
