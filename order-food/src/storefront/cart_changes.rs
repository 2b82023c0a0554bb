//! The forms that change the cart: each answers with a redirect, or with what was wrong.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use shop::{ProductId, Quantity};

use super::cart::{Attempt, Cart};
use super::cart_page::{Remarks, cart_page, check};
use super::form::{Form, menu_address};
use super::frame::{Badge, Frame};
use super::menu::Card;
use super::picture::Picture;
use super::pricing::{coupon_sentence, typed_code};
use super::texts as t;
use super::{Storefront, keep, rendered, see_other};
use crate::coupons::CouponError;
use crate::http::ApiError;
use crate::orders::{NotStored, PlaceError, Unredeemable};
use crate::rate_limit::Action;
use crate::state::AppState;

/// The parts of a menu that one change of the cart changes.
#[derive(Template)]
#[template(path = "card_fragment.html")]
struct Fragment<'a> {
    frame: Frame<'a>,
    card: Card<'a>,
}

/// The parts of a request that changes the cart.
type Posted = (
    HttpRequest,
    web::Payload,
    web::Data<AppState>,
    web::Data<Storefront>,
);

const X_FRAGMENT: &str = "x-fragment";

/// POST /cart/change: one unit (or as many as `quantity` says) more or less.
pub(crate) async fn change((request, payload, state, storefront): Posted) -> Result<HttpResponse, ApiError> {
    let (form, mut cart) = begin(&request, payload, &state, &storefront).await?;
    let snapshot = state.snapshots.get().ok_or(ApiError::Unavailable)?;
    let units: i32 = form
        .text("quantity")
        .and_then(|text| text.trim().parse().ok())
        .filter(|units| (1..=Quantity::MAX.into()).contains(units))
        .unwrap_or(1);
    let (id, units) = match (form.product("add"), form.product("less")) {
        (Some(id), _) => (id, units),
        (None, Some(id)) => (id, -units),
        (None, None) => return Ok(see_other("/cart")),
    };
    let Some(product) = snapshot
        .catalogue
        .product(id)
        .filter(|_| units > 0 || cart.units_of(id) > 0)
    else {
        cart.add(id, units.min(0)).ok();
        return Ok(changed(&request, &storefront, cart, "/cart?unsold=1"));
    };
    let before = cart.units_of(id);
    if cart.add(id, units).is_err() {
        return Ok(see_other("/cart?full=1"));
    }
    let is_from_menu = form.text("from") == Some("menu");
    if is_from_menu && request.headers().contains_key(X_FRAGMENT) {
        let open = storefront.seller(&snapshot).is_some();
        let fragment = Fragment {
            frame: storefront.frame(Badge::of(&cart, &snapshot), open),
            card: Card::of(&storefront, product, &cart),
        };
        let body = rendered(&fragment)?;
        return Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::SET_COOKIE, cookie(&request, &storefront, &cart)))
            .body(body));
    }
    let target = match is_from_menu {
        true => {
            let menu = menu_address(form.text("q").unwrap_or_default(), form.text("category"));
            format!("{menu}#p{id}")
        }
        false if cart.units_of(id) == 0 => format!("/cart?removed={id}x{before}"),
        false => "/cart".into(),
    };
    Ok(changed(&request, &storefront, cart, &target))
}

/// POST /cart/quantity: so many units of a product; 0 removes it.
pub(crate) async fn quantity(
    (request, payload, state, storefront): Posted,
) -> Result<HttpResponse, ApiError> {
    let (form, mut cart) = begin(&request, payload, &state, &storefront).await?;
    let Some(id) = form.product("product").filter(|id| cart.units_of(*id) > 0) else {
        return Ok(see_other("/cart"));
    };
    let before = cart.units_of(id);
    let typed: Option<i64> = form.text("quantity").and_then(|text| text.trim().parse().ok());
    match typed.map(|units| (units, Quantity::new(units))) {
        Some((0, _)) => {
            cart.remove(id);
            let target = format!("/cart?removed={id}x{before}");
            Ok(changed(&request, &storefront, cart, &target))
        }
        Some((_, Ok(quantity))) if cart.set(id, quantity).is_ok() => {
            Ok(changed(&request, &storefront, cart, "/cart"))
        }
        _ => Ok(see_other(&format!("/cart?range={id}"))),
    }
}

/// POST /cart/remove
pub(crate) async fn remove((request, payload, state, storefront): Posted) -> Result<HttpResponse, ApiError> {
    let (form, mut cart) = begin(&request, payload, &state, &storefront).await?;
    let removed = form.product("product").map(|id| (id, cart.units_of(id)));
    match removed {
        Some((id, before @ 1..)) => {
            cart.remove(id);
            let target = format!("/cart?removed={id}x{before}");
            Ok(changed(&request, &storefront, cart, &target))
        }
        _ => Ok(see_other("/cart")),
    }
}

/// POST /cart/tidy: removes what is no longer sold.
pub(crate) async fn tidy((request, payload, state, storefront): Posted) -> Result<HttpResponse, ApiError> {
    let (_, mut cart) = begin(&request, payload, &state, &storefront).await?;
    let snapshot = state.snapshots.get().ok_or(ApiError::Unavailable)?;
    cart.retain(|id: ProductId| snapshot.catalogue.product(id).is_some());
    Ok(changed(&request, &storefront, cart, "/cart"))
}

/// POST /cart/clear
pub(crate) async fn clear((request, payload, state, storefront): Posted) -> Result<HttpResponse, ApiError> {
    let (_, mut cart) = begin(&request, payload, &state, &storefront).await?;
    cart.clear();
    Ok(changed(&request, &storefront, cart, "/cart?cleared=1"))
}

/// POST /cart/coupon: takes a code that is good for the cart, or says why it is not.
pub(crate) async fn coupon((request, payload, state, storefront): Posted) -> Result<HttpResponse, ApiError> {
    let (form, mut cart) = begin(&request, payload, &state, &storefront).await?;
    let snapshot = state.snapshots.get().ok_or(ApiError::Unavailable)?;
    if storefront.seller(&snapshot).is_none() {
        // Nobody can order, so nobody need know which codes there are.
        return Ok(see_other("/cart"));
    }
    let text = form.text("code").unwrap_or_default();
    if form.text("remove").is_some() || text.trim().is_empty() {
        cart.coupon = None;
        return Ok(changed(&request, &storefront, cart, "/cart"));
    }
    storefront.limits.admit_action(&request, Action::WrongCoupon)?;
    let checked = match typed_code(text) {
        Ok(code) => check(&state, &snapshot, &cart, &code).await.map(|()| code),
        Err(problem) => Err(PlaceError::from(problem)),
    };
    if !checked.as_ref().is_err_and(is_guess) {
        storefront.limits.take_back(&request, Action::WrongCoupon);
    }
    match checked {
        Ok(code) => {
            cart.coupon = Some(code);
            Ok(changed(&request, &storefront, cart, "/cart"))
        }
        Err(problem) => {
            let sentence = coupon_sentence(&problem).unwrap_or_else(|| t::COUPON_LATER.to_owned());
            let remarks = Remarks {
                refused_code: Some((text.to_owned(), sentence)),
                ..Remarks::default()
            };
            cart_page(&request, (&state, &storefront), &snapshot, cart, remarks).await
        }
    }
}

/// Whether a code may have been made up: others tell nothing that was not known.
fn is_guess(problem: &PlaceError) -> bool {
    matches!(
        problem,
        PlaceError::Coupon(CouponError::Unknown)
            | PlaceError::NotACouponCode(_)
            | PlaceError::NotStored(NotStored::Unredeemable(Unredeemable::Unknown))
    )
}

/// What every change begins with: the form, the limit, the cart.
async fn begin(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
    storefront: &Storefront,
) -> Result<(Form, Cart), ApiError> {
    let form = Form::read(request, payload, state, storefront).await?;
    storefront.limits.admit_action(request, Action::CartChange)?;
    let mut cart = storefront.cart(request);
    if cart.attempt.is_none() {
        cart.attempt = Some(Attempt::new(&storefront.signer));
    }
    Ok((form, cart))
}

fn changed(request: &HttpRequest, storefront: &Storefront, cart: Cart, target: &str) -> HttpResponse {
    let mut response = see_other(target);
    keep(&mut response, cookie(request, storefront, &cart));
    response
}

fn cookie(request: &HttpRequest, storefront: &Storefront, cart: &Cart) -> String {
    cart.cookie(&storefront.site(request), &storefront.signer)
}
