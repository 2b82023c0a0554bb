//! The answer of an order.

use serde::Serialize;
use serde_json::{Value, json};
use shop::{CouponCode, Money, ProductId, Quantity};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Order, OrderLine};
use crate::live::Change;

/// An order as it is answered: the same bytes when it is placed and whenever it is read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderAnswer<'a> {
    /// UUID version 7.
    id: Uuid,
    /// What was ordered, one line per product, in the order of the request.
    items: Vec<OrderedItem>,
    /// The products as they were when they were ordered, in the order of the items.
    products: Vec<OrderedProduct<'a>>,
    /// The coupon code, when one was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, nullable = false)]
    coupon_code: Option<&'a CouponCode>,
    /// What is to be paid, with two decimals: the sum of price times quantity, less the discounts.
    #[schema(value_type = f64, minimum = 0)]
    total: Money,
    /// What the coupon takes off, with two decimals.
    #[schema(value_type = f64, minimum = 0)]
    discounts: Money,
    /// The present state; in lists with `expand=status` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Change>, required = false, nullable = false)]
    status: Option<&'a Change>,
}

/// One line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderedItem {
    /// The product's id.
    #[schema(value_type = String, example = "1")]
    product_id: ProductId,
    /// Units.
    #[schema(value_type = u32, minimum = 1, maximum = 1000, example = 2)]
    quantity: Quantity,
}

/// A product as it was when it was ordered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderedProduct<'a> {
    #[schema(value_type = String, example = "1")]
    id: ProductId,
    #[schema(example = "Chicken Waffle")]
    name: &'a str,
    /// Price of one unit, with two decimals.
    #[schema(value_type = f64, example = 12.99, minimum = 0)]
    price: Money,
    #[schema(example = "Waffle")]
    category: &'a str,
}

/// The order of the examples.
pub(super) const EXAMPLE_ID: Uuid = Uuid::from_u128(0x019a_2f3c_5d80_7b1e_9c44_2f60_8f0d_3a11);

impl<'a> OrderAnswer<'a> {
    /// The answer to `OrderRequest::example`: 2 × 12.99 + 9.99 = 35.97, less 10 %.
    pub(super) fn example() -> Value {
        json!({
            "id": EXAMPLE_ID,
            "items": [{"productId": "1", "quantity": 2}, {"productId": "3", "quantity": 1}],
            "products": [
                {"id": "1", "name": "Chicken Waffle", "price": 12.99, "category": "Waffle"},
                {"id": "3", "name": "Blueberry Pancakes", "price": 9.99, "category": "Pancakes"},
            ],
            "couponCode": "SAVE10",
            "total": 32.37,
            "discounts": 3.60,
        })
    }

    /// The answer for `order`.
    pub(crate) fn of(order: &'a Order) -> OrderAnswer<'a> {
        let item = |line: &OrderLine| OrderedItem {
            product_id: line.product,
            quantity: line.quantity,
        };
        let product = |line: &'a OrderLine| OrderedProduct {
            id: line.product,
            name: &line.name,
            price: line.unit_price,
            category: &line.category,
        };
        OrderAnswer {
            id: order.id,
            items: order.lines.iter().map(item).collect(),
            products: order.lines.iter().map(product).collect(),
            coupon_code: order.coupon_code.as_ref(),
            total: order.totals.total,
            discounts: order.totals.discount,
            status: None,
        }
    }
    /// The same with the present state.
    pub(super) fn with_status(self, status: Option<&'a Change>) -> OrderAnswer<'a> {
        OrderAnswer { status, ..self }
    }
}
