//! Rows of the reference data: the one shape in which the loader writes and the API reads them.
//!
//! Serde reads and writes them as `dataset_rows` keeps them, diesel reads them from their tables,
//! and `TryFrom` makes the shop's own values of them. The loader publishes and restores only rows
//! that pass all of that; so what it accepts can be served.

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow, FromStaticSqlRow};
use diesel::expression::Selectable;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop::{CouponCode, Image, KeyHash, Product, ProductId, Promotion, PromotionKind, Scopes};
use uuid::Uuid;

use crate::amount::Amount;
use crate::schema::{api_keys, products, promotions};

/// Makes a row's type, and how diesel reads an [`Attempt`] at it.
macro_rules! row {
    ($(#[$doc:meta])* $row:ident of $table:ident { $($(#[$attribute:meta])* $column:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the comments are in the database")]
        pub struct $row {
            $($(#[$attribute])* pub $column: $type,)*
        }

        impl<ST> Queryable<ST, Pg> for Attempt<$row>
        where
            ($(Column<$type>,)*): FromStaticSqlRow<ST, Pg>,
        {
            type Row = ($(Column<$type>,)*);

            fn build(($($column,)*): Self::Row) -> deserialize::Result<Self> {
                let problem = |column, problem: String| Unserved::of(column, problem);
                let row = || Ok($row {
                    $($column: $column.0.map_err(|error| problem(stringify!($column), error))?,)*
                });
                Ok(Attempt(row()))
            }
        }

        impl Selectable<Pg> for Attempt<$row> {
            type SelectExpression = ($($table::$column,)*);

            fn construct_selection() -> Self::SelectExpression {
                ($($table::$column,)*)
            }
        }
    };
}

row! {
    /// A row of `products`.
    ProductRow of products {
        id: i64,
        name: String,
        price: Amount,
        category: String,
        image: Option<Value>,
    }
}

row! {
    /// A row of `promotions`.
    PromotionRow of promotions {
        code: String,
        kind: String,
        value: Amount,
        min_items: i32,
        max_discount: Option<Amount>,
        starts_at: Option<DateTime<Utc>>,
        ends_at: Option<DateTime<Utc>>,
        max_uses: Option<i64>,
    }
}

row! {
    /// A row of `api_keys`; `dataset_rows` has the hash in hexadecimal digits.
    ApiKeyRow of api_keys {
        id: Uuid,
        #[serde(with = "hex::serde")]
        key_hash: Vec<u8>,
        hash_key_id: String,
        user_id: Uuid,
        scopes: Vec<String>,
        expires_at: Option<DateTime<Utc>>,
    }
}

/// An API key as requests are checked against it.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The owner of orders.
    pub id: Uuid,
    /// What the key is found by.
    pub hash: KeyHash,
    /// Those that this build knows.
    pub scopes: Scopes,
    /// First instant at which the key no longer works; `None` means never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The row cannot be served: what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unserved(String);

impl Unserved {
    fn of(column: &str, problem: impl std::fmt::Display) -> Unserved {
        Unserved(format!("{column}: {problem}"))
    }
}

/// The value that is served of a row as `dataset_rows` keeps it.
///
/// # Errors
/// [`Unserved`] when the API would leave the row out.
pub fn served<R: DeserializeOwned, T: TryFrom<R, Error = Unserved>>(json: &str) -> Result<T, Unserved> {
    serde_json::from_str::<R>(json)
        .map_err(|error| Unserved(error.to_string()))?
        .try_into()
}

/// A row of a statement, or why it cannot be read: one bad row does not fail the statement.
///
/// `Attempt::<ProductRow>::as_select()` selects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<R>(pub Result<R, Unserved>);

impl<R> Attempt<R> {
    /// The value that is served of the row.
    ///
    /// # Errors
    /// [`Unserved`] when there is none.
    pub fn served<T: TryFrom<R, Error = Unserved>>(self) -> Result<T, Unserved> {
        self.0?.try_into()
    }
}

/// A value of a statement's row, or why it cannot be read.
#[derive(Debug, FromSqlRow)]
pub struct Column<T>(Result<T, String>);

impl<ST, T: FromSql<ST, Pg>> FromSql<ST, Pg> for Column<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Self::from_nullable_sql(Some(value))
    }

    fn from_nullable_sql(value: Option<PgValue<'_>>) -> deserialize::Result<Self> {
        Ok(Self(
            T::from_nullable_sql(value).map_err(|error| error.to_string()),
        ))
    }
}

impl From<Product> for ProductRow {
    fn from(product: Product) -> ProductRow {
        ProductRow {
            id: product.id.number(),
            name: (*product.name).into(),
            price: Amount(product.price),
            category: (*product.category).into(),
            // A struct of texts: serde_json writes it always.
            image: product.image.and_then(|image| serde_json::to_value(image).ok()),
        }
    }
}

impl TryFrom<ProductRow> for Product {
    type Error = Unserved;

    fn try_from(row: ProductRow) -> Result<Product, Unserved> {
        let image = row.image.map(serde_json::from_value::<Option<Image>>).transpose();
        Ok(Product {
            id: ProductId::new(row.id).map_err(|problem| Unserved::of("id", problem))?,
            name: row.name.into(),
            price: row.price.0,
            category: row.category.into(),
            image: image
                .map_err(|problem| Unserved::of("image", problem))?
                .flatten()
                .and_then(Image::known),
        })
    }
}

impl From<&Promotion> for PromotionRow {
    fn from(promotion: &Promotion) -> PromotionRow {
        PromotionRow {
            code: promotion.code.as_str().into(),
            kind: promotion.kind.name().into(),
            value: Amount(promotion.kind.value()),
            min_items: i32::try_from(promotion.min_items).unwrap_or(i32::MAX),
            max_discount: promotion.max_discount.map(Amount),
            starts_at: promotion.starts_at,
            ends_at: promotion.ends_at,
            max_uses: promotion
                .max_uses
                .map(|uses| i64::try_from(uses).unwrap_or(i64::MAX)),
        }
    }
}

impl TryFrom<PromotionRow> for Promotion {
    type Error = Unserved;

    fn try_from(row: PromotionRow) -> Result<Promotion, Unserved> {
        let kind = PromotionKind::new(&row.kind, row.value.0);
        let max_uses = row.max_uses.map(u64::try_from).transpose();
        Ok(Promotion {
            code: CouponCode::parse(row.code).map_err(|problem| Unserved::of("code", problem))?,
            kind: kind.map_err(|problem| Unserved::of("kind", problem))?,
            min_items: u32::try_from(row.min_items).map_err(|problem| Unserved::of("min_items", problem))?,
            max_discount: row.max_discount.map(|Amount(most)| most),
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            max_uses: max_uses.map_err(|problem| Unserved::of("max_uses", problem))?,
        })
    }
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = Unserved;

    fn try_from(row: ApiKeyRow) -> Result<ApiKey, Unserved> {
        let hash = <[u8; 32]>::try_from(row.key_hash);
        Ok(ApiKey {
            id: row.id,
            hash: KeyHash(hash.map_err(|hash| Unserved::of("key_hash", format!("{} bytes", hash.len())))?),
            scopes: Scopes::known(&row.scopes),
            expires_at: row.expires_at,
        })
    }
}
