//! The orders of this browser, as its cookie remembers them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::TimeDelta;
use pages::ShownTime;
use shop::Money;
use uuid::Uuid;

use super::frame::{Badge, Frame};
use super::links::{self, OwnOrders};
use super::texts as t;
use super::{Storefront, page};
use crate::http::ApiError;
use crate::orders::{Order, orders_of};
use crate::state::AppState;

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
pub(crate) async fn own_orders(
    request: HttpRequest,
    state: web::Data<AppState>,
    storefront: web::Data<Storefront>,
) -> Result<HttpResponse, ApiError> {
    let snapshot = state.snapshots.get().ok_or(ApiError::Unavailable)?;
    let own = OwnOrders::read(request.headers(), &storefront.site(&request), &storefront.signer);
    let oldest = snapshot.now() - TimeDelta::days(storefront.settings.order_link_days.into());
    let is_open = |id: &&Uuid| links::placed_at(**id) > oldest;
    let ids: Vec<Uuid> = own.ids().iter().filter(is_open).copied().collect();
    let orders = match ids.is_empty() {
        true => Vec::new(),
        false => {
            let read = async |connection: &mut _| orders_of(connection, &ids).await;
            state.read("SELECT orders", read).await?
        }
    };
    let open = storefront.seller(&snapshot).is_some();
    let badge = Badge::of(&storefront.cart(&request), &snapshot);
    let template = OrdersPage {
        frame: storefront.frame(badge, open),
        orders: orders.iter().map(|order| row(&storefront, order)).collect(),
    };
    page(&request, &template)
}

fn row(storefront: &Storefront, order: &Order) -> Row {
    let line = |line: &crate::orders::OrderLine| t::units(line.quantity.units(), &*line.name);
    Row {
        code: shop::pick_up_code(order.id.as_u128()),
        link: links::link(order.id, &storefront.signer),
        placed_at: storefront.time(links::placed_at(order.id)),
        total: order.totals.total,
        summary: order.lines.iter().map(line).collect::<Vec<_>>().join(", "),
    }
}
