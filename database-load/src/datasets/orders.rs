//! Sample orders, checked against the data of the same profile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use process::failure::Failure;
use serde::{Deserialize, Serialize};
use shop::{
    CouponCode, Money, OrderStatus, PricedLine, Product, ProductId, Promotion, Quantity, Reason, Totals,
};
use uuid::Uuid;

use super::api_keys::ApiKey;
use super::table::{Table, column};
use super::{Dataset, DatasetKind, Notes, Seen};
use crate::formats::{Column, Fields, optional, required, text};
use crate::sources::Input;

const COLUMNS: &[Column] = &[
    required("id"),
    required("api_key"),
    required("items"),
    optional("coupon"),
    optional("status"),
    optional("reason"),
    optional("development"),
];
const MAX_LINES: usize = 100;

/// Orders belong to run time: they are added once and never touched again.
const TABLE: Table = Table {
    // Lines and states first: afterwards the orders are there and nothing tells the new ones.
    prepare: Some(
        "WITH fresh AS MATERIALIZED (
             SELECT key::uuid AS id, row FROM dataset_rows
             WHERE version = $1 AND dataset = 'orders'
               AND NOT EXISTS (SELECT FROM orders WHERE orders.id = key::uuid)
         ),
         steps AS MATERIALIZED (
             SELECT id, step.*, (row_number() OVER way + 1)::integer AS version, lag(status, 1, 'placed') OVER way AS before,
                 lead(status) OVER way IS NULL AS is_last
             FROM fresh, jsonb_to_recordset(coalesce(row -> 'steps', '[]')) AS step
                 (status text, at timestamptz, ready_at timestamptz, reason text)
             WINDOW way AS (PARTITION BY id ORDER BY at)
         ),
         events AS (
             INSERT INTO order_events (order_id, version, from_status, to_status, at, actor, reason)
             SELECT id, version, before, status, at, 'system', reason FROM steps
         ),
         states AS (
             INSERT INTO order_states (order_id, status, version, ready_at, reason, changed_at)
             SELECT id, status, version, ready_at, reason, at FROM steps WHERE is_last
         )
         INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         SELECT id, item.*
         FROM fresh, jsonb_to_recordset(row -> 'items') AS item
             (line smallint, product_id bigint, product_name text, category text, unit_price numeric(10, 2),
              quantity integer)",
    ),
    ..Table::new(
        "orders",
        &[
            column("id", "uuid"),
            column("created_at", "timestamptz"),
            column("api_key_id", "uuid"),
            column("coupon_code", "text"),
            column("subtotal", "numeric(14, 2)"),
            column("discount", "numeric(14, 2)"),
            column("total", "numeric(14, 2)"),
        ],
        None,
    )
};

pub(super) const ORDERS: Dataset = Dataset {
    name: "orders",
    tables: &[TABLE],
    own_keys: &[],
    refers_to: &[
        (DatasetKind::Products, true),
        (DatasetKind::Users, true),
        (DatasetKind::Promotions, false),
    ],
    span: || super::span!("dataload.loadOrders", "orders"),
    parse: |inputs, _, data, notes| {
        let known = Known::new(&data.products, &data.api_keys, &data.promotions);
        data.orders = read(&inputs.sources, &known, notes)?;
        Ok(())
    },
    counts: |data| vec![("orders", data.orders.len())],
    staged: |data| super::staged(&TABLE, &data.orders, |order| order.id.to_string()),
};

/// A row of `orders` with its lines, in the shape that `dataset_rows` keeps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    created_at: DateTime<Utc>,
    api_key_id: Uuid,
    coupon_code: Option<CouponCode>,
    subtotal: Money,
    discount: Money,
    total: Money,
    items: Vec<Item>,
    /// The changes that brought it into its status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Serialize)]
struct Step {
    status: &'static str,
    at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
struct Item {
    line: usize,
    product_id: i64,
    product_name: Arc<str>,
    category: Arc<str>,
    unit_price: Money,
    quantity: Quantity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bought {
    product: String,
    quantity: i64,
}

/// What orders are checked against: what the same profile brings.
struct Known<'a> {
    products: HashMap<ProductId, &'a Product>,
    api_keys: HashSet<Uuid>,
    promotions: HashMap<&'a str, &'a Promotion>,
}

impl<'a> Known<'a> {
    fn new(products: &'a [Product], api_keys: &'a [ApiKey], promotions: &'a [Promotion]) -> Known<'a> {
        Known {
            products: products.iter().map(|product| (product.id, product)).collect(),
            api_keys: api_keys.iter().map(|key| key.row.id).collect(),
            promotions: promotions
                .iter()
                .map(|promotion| (promotion.code.as_str(), promotion))
                .collect(),
        }
    }
}

fn read(inputs: &[Input], known: &Known<'_>, notes: &mut Notes) -> Result<Vec<Order>, Failure> {
    let mut ids = Seen::new();
    super::table(inputs, COLUMNS, notes, |fields| {
        let placed = super::unique(&mut ids, "id", fields, order_id);
        let api_key_id = fields.required("api_key", |text| {
            let id = text::uuid(text)?;
            let is_known = known.api_keys.contains(&id);
            is_known
                .then_some(id)
                .ok_or("is the id of no API key of this profile")
        });
        let bought = fields.json("items", "a JSON array of {\"product\": \"1\", \"quantity\": 2}");
        let items = bought.and_then(|bought| items(bought, known, fields));
        let promotion = fields.optional("coupon", |code| {
            let promotion = known.promotions.get(code).copied();
            promotion.ok_or("is no promotion of this profile")
        });
        let way = way(fields);
        let ((id, created_at), api_key_id, items, promotion) = (placed?, api_key_id?, items?, promotion?);
        let Totals {
            subtotal,
            discount,
            total,
        } = totals(&items, promotion, created_at, fields)?;
        Some(Order {
            id,
            created_at,
            api_key_id,
            coupon_code: promotion.map(|promotion| promotion.code.clone()),
            subtotal,
            discount,
            total,
            items,
            steps: steps(way?, created_at),
        })
    })
}

/// The states through which an order came into the status of its row, and the reason; none for an
/// order without a status.
fn way(fields: &mut Fields<'_>) -> Option<(&'static [OrderStatus], Option<Reason>)> {
    use OrderStatus::{Accepted, Cancelled, PickedUp, Preparing, Ready, Rejected};
    const ONWARD: [OrderStatus; 4] = [Accepted, Preparing, Ready, PickedUp];
    let status = fields.optional("status", |name| {
        let status = OrderStatus::parse(name).ok();
        let known = status.filter(|status| ONWARD.contains(status) || status.is_void());
        known.ok_or("is not accepted, preparing, ready, picked_up, rejected or cancelled")
    })?;
    let reason = fields.optional("reason", Reason::parse)?;
    if reason.is_some() != status.is_some_and(OrderStatus::is_void) {
        fields.reject("reason", "goes with rejected and cancelled, and only with them");
        return None;
    }
    let way: &[OrderStatus] = match status {
        Some(Accepted) => &[Accepted],
        Some(Preparing) => &[Accepted, Preparing],
        Some(Ready) => &[Accepted, Preparing, Ready],
        Some(PickedUp) => &[Accepted, Preparing, Ready, PickedUp],
        Some(Rejected) => &[Rejected],
        Some(Cancelled) => &[Cancelled],
        _ => &[],
    };
    Some((way, reason))
}

/// These changes, a few minutes after each other; the order is ready at the third.
fn steps((way, reason): (&[OrderStatus], Option<Reason>), created_at: DateTime<Utc>) -> Vec<Step> {
    const APART: TimeDelta = TimeDelta::minutes(5);
    let step = |(status, number): (&OrderStatus, i32)| Step {
        status: status.name(),
        at: created_at + APART * number,
        ready_at: (!status.is_void()).then(|| created_at + APART * 3),
        reason: reason.map(Reason::name),
    };
    way.iter().zip(1..).map(step).collect()
}

/// An order's id says when it was placed.
fn order_id(text: &str) -> Result<(Uuid, DateTime<Utc>), &'static str> {
    let id = text::uuid(text)?;
    let time = (id.get_version_num() == 7).then(|| id.get_timestamp()).flatten();
    time.and_then(|time| {
        let (seconds, nanoseconds) = time.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    })
    .filter(|time| time.year() <= 9999)
    .map(|time| (id, time))
    .ok_or("is not a UUID of version 7")
}

fn items(bought: Vec<Bought>, known: &Known<'_>, fields: &mut Fields<'_>) -> Option<Vec<Item>> {
    if bought.is_empty() || bought.len() > MAX_LINES {
        fields.reject("items", format!("has not 1 to {MAX_LINES} lines"));
        return None;
    }
    let mut items: Vec<Item> = Vec::with_capacity(bought.len());
    for (line, Bought { product, quantity }) in (1..).zip(bought) {
        let sold = ProductId::parse(&product)
            .ok()
            .and_then(|id| known.products.get(&id));
        let reason = match (sold, Quantity::new(quantity)) {
            (None, _) => format!("line {line}: `{product}` is no product of this profile"),
            (_, Err(error)) => format!("line {line}: {error}"),
            (Some(sold), _) if items.iter().any(|item| item.product_id == sold.id.number()) => {
                format!("line {line}: product {product} stands on an earlier line")
            }
            (Some(sold), Ok(quantity)) => {
                items.push(Item {
                    line,
                    product_id: sold.id.number(),
                    product_name: Arc::clone(&sold.name),
                    category: Arc::clone(&sold.category),
                    unit_price: sold.price,
                    quantity,
                });
                continue;
            }
        };
        fields.reject("items", reason);
        return None;
    }
    Some(items)
}

fn totals(
    items: &[Item],
    promotion: Option<&Promotion>,
    created_at: DateTime<Utc>,
    fields: &mut Fields<'_>,
) -> Option<Totals> {
    if let Some(promotion) = promotion {
        let units = items.iter().map(|item| u32::from(item.quantity.units())).sum();
        if promotion.max_uses.is_some() {
            // Uses are counted at run time only.
            fields.reject("coupon", "has max_uses: a sample order would not be counted");
            return None;
        }
        if let Err(refusal) = promotion.check(created_at, units) {
            fields.reject("coupon", refusal.to_string());
            return None;
        }
    }
    let lines: Vec<PricedLine> = items
        .iter()
        .map(|item| PricedLine {
            unit_price: item.unit_price,
            quantity: item.quantity,
        })
        .collect();
    match Totals::of(&lines, promotion) {
        Ok(totals) => Some(totals),
        Err(error) => {
            fields.reject("items", error.to_string());
            None
        }
    }
}
