//! The page of an order: for all that have its link.

use actix_web::{HttpResponse, web};
use askama::Template;
use pages::ShownTime;
use shop::Totals;

use super::error_pages::{message, unavailable};
use super::form::Form;
use super::frame::{Badge, Frame};
use super::links;
use super::status::StatusView;
use super::texts as t;
use super::visit::{Posted, Visit};
use crate::http::ApiError;
use crate::orders::OrderLine;

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    frame: Frame<'a>,
    notices: Vec<String>,
    code: String,
    placed_at: ShownTime,
    lines: Vec<OrderLine>,
    totals: Totals,
    discount_code: Option<String>,
    link: String,
    status: StatusView,
}

/// GET /order/{token}
///
/// Where the order was just stored and cannot be read, the page says so and asks again.
pub(crate) async fn order(token: web::Path<String>, visit: Visit) -> Result<HttpResponse, ApiError> {
    let query = Form::query(&visit.request);
    let is_stored = query.text("new").or(query.text("again")).is_some() && visit.snapshot().is_ok();
    match shown(&visit, &token, &query).await {
        Err(ApiError::Unavailable) if is_stored => {
            let page = message(&visit.request, &visit.storefront, t::STORED_UNREADABLE, None)?;
            unavailable(&visit.request, page)
        }
        shown => shown,
    }
}

async fn shown(visit: &Visit, token: &str, query: &Form) -> Result<HttpResponse, ApiError> {
    let snapshot = visit.snapshot()?;
    let order = visit.order(token, &snapshot).await?;
    let placed_at = visit.storefront.placed_at(order.id);
    let already = t::already_ordered(placed_at.clock());
    let is_own = visit.own_orders().ids().contains(&order.id);
    let status = StatusView::read(visit, order.id, is_own).await?;
    visit.page(&OrderPage {
        frame: visit.frame(Badge::of(&visit.cart(), &snapshot), &snapshot),
        notices: query.told(&[
            ("new", t::ORDERED),
            ("again", &already),
            ("cancelled", t::CANCELLED),
            ("late", t::TOO_LATE),
        ]),
        code: shop::pick_up_code(order.id.as_u128()),
        placed_at,
        totals: order.totals,
        discount_code: order.coupon_code.as_ref().map(ToString::to_string),
        link: links::link(order.id, &visit.storefront.signer),
        lines: order.lines,
        status,
    })
}

/// POST /order/{token}/again: adds the products of an order to the cart.
pub(crate) async fn again(
    token: web::Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<HttpResponse, ApiError> {
    let snapshot = visit.snapshot()?;
    let order = visit.order(&token, &snapshot).await?;
    let mut cart = visit.cart();
    let mut target = format!("/cart?again={token}");
    for line in &order.lines {
        let is_sold = snapshot.catalogue.product(line.product).is_some();
        if is_sold && cart.add(line.product, line.quantity.units().into()).is_err() {
            target.push_str("&full=1");
            break;
        }
    }
    Ok(visit.with_cart(&cart, &target))
}
