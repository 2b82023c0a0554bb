//! How sales are divided.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How sales are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dimension {
    /// By day.
    #[default]
    Day,
    /// By product, as it was numbered when it was ordered.
    Product,
    /// By category, as it was when the product was ordered.
    Category,
    /// By promotion; the orders without one together.
    Promotion,
}

impl Dimension {
    pub(crate) const ALL: [Dimension; 4] = [
        Dimension::Day,
        Dimension::Product,
        Dimension::Category,
        Dimension::Promotion,
    ];

    /// The name in requests, in answers and in `sales_daily.dimension`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Dimension::Day => "day",
            Dimension::Product => "product",
            Dimension::Category => "category",
            Dimension::Promotion => "promotion",
        }
    }

    /// The dimension with this name.
    pub(crate) fn parse(name: &str) -> Option<Dimension> {
        Dimension::ALL.into_iter().find(|it| it.name() == name)
    }
}
