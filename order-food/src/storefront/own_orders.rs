//! The orders of this browser, as its cookie remembers them.

use actix_web::HttpResponse;
use askama::Template;
use chrono::TimeDelta;
use pages::ShownTime;
use shop::Money;
use uuid::Uuid;

use super::frame::{Badge, Frame};
use super::texts as t;
use super::visit::Visit;
use super::{Storefront, links};
use crate::http::ApiError;
use crate::orders::{Order, OrderLine, orders_of, placed_at};

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage<'a> {
    frame: Frame<'a>,
    orders: Vec<Row>,
}

struct Row {
    code: String,
    link: String,
    placed_at: ShownTime,
    total: Money,
    summary: String,
}

/// GET /orders
pub(crate) async fn own_orders(visit: Visit) -> Result<HttpResponse, ApiError> {
    let snapshot = visit.snapshot()?;
    let storefront = &visit.storefront;
    let oldest = snapshot.now() - TimeDelta::days(storefront.settings.order_link_days.into());
    let is_open = |id: &Uuid| placed_at(*id).is_some_and(|at| at > oldest);
    let own = visit.own_orders();
    let ids: Vec<Uuid> = own.ids().iter().copied().filter(is_open).collect();
    let orders = match ids.is_empty() {
        true => Vec::new(),
        false => {
            let read = async |connection: &mut _| orders_of(connection, &ids).await;
            visit.state.read("SELECT orders", read).await?
        }
    };
    visit.page(&OrdersPage {
        frame: visit.frame(Badge::of(&visit.cart(), &snapshot), &snapshot),
        orders: orders.iter().map(|order| row(storefront, order)).collect(),
    })
}

fn row(storefront: &Storefront, order: &Order) -> Row {
    let line = |line: &OrderLine| t::units(line.quantity.units(), &*line.name);
    Row {
        code: shop::pick_up_code(order.id.as_u128()),
        link: links::link(order.id, &storefront.signer),
        placed_at: storefront.placed_at(order.id),
        total: order.totals.total,
        summary: order.lines.iter().map(line).collect::<Vec<_>>().join(", "),
    }
}
