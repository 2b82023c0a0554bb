//! The page of an order: for all that have its link.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use pages::ShownTime;
use shop::{Money, Totals};

use super::cart::Attempt;
use super::error_pages::{message, unavailable};
use super::form::Form;
use super::frame::{Badge, Frame};
use super::links::OwnOrders;
use super::status::StatusView;
use super::texts as t;
use super::{Storefront, links, page, see_other};
use crate::http::ApiError;
use crate::orders::{Order, OrderLine, orders_of};
use crate::rate_limit::Action;
use crate::reference_data::Snapshot;
use crate::state::AppState;

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    frame: Frame<'a>,
    notices: Vec<String>,
    code: String,
    placed_at: ShownTime,
    lines: Vec<Line<'a>>,
    totals: Totals,
    discount_code: Option<String>,
    link: String,
    status: StatusView,
}

struct Line<'a> {
    name: &'a str,
    quantity: u16,
    price: Money,
    sum: Money,
}

/// GET /order/{token}
///
/// Where the order was just stored and cannot be read, the page says so and asks again.
pub(crate) async fn order(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<AppState>,
    storefront: web::Data<Storefront>,
) -> Result<HttpResponse, ApiError> {
    let query = Form::query(&request);
    let is_stored = query.text("new").or(query.text("again")).is_some() && state.snapshots.get().is_some();
    match shown(&request, &token, &state, &storefront, &query).await {
        Err(ApiError::Unavailable) if is_stored => unavailable(
            &request,
            message(&request, &storefront, t::STORED_UNREADABLE, None)?,
        ),
        shown => shown,
    }
}

async fn shown(
    request: &HttpRequest,
    token: &str,
    state: &AppState,
    storefront: &Storefront,
    query: &Form,
) -> Result<HttpResponse, ApiError> {
    let snapshot = state.snapshots.get().ok_or(ApiError::Unavailable)?;
    let order = find(state, storefront, &snapshot, token).await?;
    let placed_at = storefront.time(links::placed_at(order.id));
    let mut notices = Vec::new();
    if query.text("new").is_some() {
        notices.push(t::ORDERED.to_owned());
    }
    if query.text("again").is_some() {
        notices.push(t::already_ordered(placed_at.clock()));
    }
    if query.text("cancelled").is_some() {
        notices.push(t::CANCELLED.to_owned());
    }
    if query.text("late").is_some() {
        notices.push(t::TOO_LATE.to_owned());
    }
    let own = OwnOrders::read(request.headers(), &storefront.site(request), &storefront.signer);
    let open = storefront.seller(&snapshot).is_some();
    let badge = Badge::of(&storefront.cart(request), &snapshot);
    let template = OrderPage {
        frame: storefront.frame(badge, open),
        notices,
        code: shop::pick_up_code(order.id.as_u128()),
        placed_at,
        lines: order.lines.iter().map(line).collect(),
        totals: order.totals,
        discount_code: order.coupon_code.as_ref().map(ToString::to_string),
        link: links::link(order.id, &storefront.signer),
        status: StatusView::read(state, storefront, order.id, own.ids().contains(&order.id)).await?,
    };
    page(request, &template)
}

/// POST /order/{token}/again: adds the products of an order to the cart.
pub(crate) async fn again(
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
    state: web::Data<AppState>,
    storefront: web::Data<Storefront>,
) -> Result<HttpResponse, ApiError> {
    Form::read(&request, payload, &state, &storefront).await?;
    storefront.limits.admit_action(&request, Action::CartChange)?;
    let snapshot = state.snapshots.get().ok_or(ApiError::Unavailable)?;
    let order = find(&state, &storefront, &snapshot, &token).await?;
    let mut cart = storefront.cart(&request);
    cart.attempt
        .get_or_insert_with(|| Attempt::new(&storefront.signer));
    let mut target = format!("/cart?again={token}");
    for line in &order.lines {
        let is_sold = snapshot.catalogue.product(line.product).is_some();
        if is_sold && cart.add(line.product, line.quantity.units().into()).is_err() {
            target.push_str("&full=1");
            break;
        }
    }
    let mut response = see_other(&target);
    let cookie = cart.cookie(&storefront.site(&request), &storefront.signer);
    super::keep(&mut response, cookie);
    Ok(response)
}

/// The order that a token leads to.
async fn find(
    state: &AppState,
    storefront: &Storefront,
    snapshot: &Snapshot,
    token: &str,
) -> Result<Order, ApiError> {
    let id = storefront.order_of(token, snapshot)?;
    let read = async |connection: &mut _| orders_of(connection, &[id]).await;
    let mut found = state.read("SELECT orders", read).await?;
    found.pop().ok_or_else(|| state.cells.missing(id))
}

fn line(line: &OrderLine) -> Line<'_> {
    Line {
        name: &line.name,
        quantity: line.quantity.units(),
        price: line.unit_price,
        sum: line
            .unit_price
            .checked_mul(line.quantity.units().into())
            .unwrap_or_default(),
    }
}
