//! The forms that change the cart: each answers with a redirect, or with what was wrong.

use actix_web::HttpResponse;
use actix_web::http::header;
use askama::Template;
use shop::{ProductId, Quantity};

use super::cart::Cart;
use super::cart_page::{Remarks, cart_page, check};
use super::form::menu_address;
use super::frame::{Badge, Frame};
use super::menu::Card;
use super::picture::Picture;
use super::pricing::{coupon_sentence, typed_code};
use super::texts as t;
use super::visit::{Posted, Visit};
use super::{rendered, see_other};
use crate::coupons::CouponError;
use crate::http::ApiError;
use crate::orders::{NotStored, PlaceError, Unredeemable};
use crate::rate_limit::Action;

/// The parts of a menu that one change of the cart changes.
#[derive(Template)]
#[template(path = "card_fragment.html")]
struct Fragment<'a> {
    frame: Frame<'a>,
    card: Card<'a>,
}

const X_FRAGMENT: &str = "x-fragment";

/// POST /cart/change: one unit (or as many as `quantity` says) more or less.
pub(crate) async fn change(Posted { visit, form }: Posted) -> Result<HttpResponse, ApiError> {
    let (mut cart, snapshot) = (visit.cart(), visit.snapshot()?);
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
        return Ok(visit.with_cart(&cart, "/cart?unsold=1"));
    };
    let before = cart.units_of(id);
    if cart.add(id, units).is_err() {
        return Ok(see_other("/cart?full=1"));
    }
    let is_from_menu = form.text("from") == Some("menu");
    if is_from_menu && visit.request.headers().contains_key(X_FRAGMENT) {
        let fragment = Fragment {
            frame: visit.frame(Badge::of(&cart, &snapshot), &snapshot),
            card: Card::of(&visit.storefront, product, &cart),
        };
        return Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::SET_COOKIE, visit.cookie(&cart)))
            .body(rendered(&fragment)?));
    }
    let target = match is_from_menu {
        true => {
            let menu = menu_address(form.text("q").unwrap_or_default(), form.text("category"));
            format!("{menu}#p{id}")
        }
        false if cart.units_of(id) == 0 => format!("/cart?removed={id}x{before}"),
        false => "/cart".into(),
    };
    Ok(visit.with_cart(&cart, &target))
}

/// POST /cart/quantity: so many units of a product; 0 removes it.
pub(crate) async fn quantity(Posted { visit, form }: Posted) -> Result<HttpResponse, ApiError> {
    let mut cart = visit.cart();
    let Some(id) = form.product("product").filter(|id| cart.units_of(*id) > 0) else {
        return Ok(see_other("/cart"));
    };
    let typed: Option<i64> = form.text("quantity").and_then(|text| text.trim().parse().ok());
    Ok(match typed.map(|units| (units, Quantity::new(units))) {
        Some((0, _)) => removed(&visit, cart, id),
        Some((_, Ok(quantity))) if cart.set(id, quantity).is_ok() => visit.with_cart(&cart, "/cart"),
        _ => see_other(&format!("/cart?range={id}")),
    })
}

/// POST /cart/remove
pub(crate) async fn remove(Posted { visit, form }: Posted) -> Result<HttpResponse, ApiError> {
    let cart = visit.cart();
    let id = form.product("product").filter(|id| cart.units_of(*id) > 0);
    Ok(id.map_or_else(|| see_other("/cart"), |id| removed(&visit, cart, id)))
}

/// To the cart without a product, whose units can be put back there.
fn removed(visit: &Visit, mut cart: Cart, id: ProductId) -> HttpResponse {
    let units = cart.units_of(id);
    cart.remove(id);
    visit.with_cart(&cart, &format!("/cart?removed={id}x{units}"))
}

/// POST /cart/tidy: removes what is no longer sold.
pub(crate) async fn tidy(Posted { visit, .. }: Posted) -> Result<HttpResponse, ApiError> {
    let (mut cart, snapshot) = (visit.cart(), visit.snapshot()?);
    cart.retain(|id: ProductId| snapshot.catalogue.product(id).is_some());
    Ok(visit.with_cart(&cart, "/cart"))
}

/// POST /cart/clear
pub(crate) async fn clear(Posted { visit, .. }: Posted) -> Result<HttpResponse, ApiError> {
    let mut cart = visit.cart();
    cart.clear();
    Ok(visit.with_cart(&cart, "/cart?cleared=1"))
}

/// POST /cart/coupon: takes a code that is good for the cart, or says why it is not.
pub(crate) async fn coupon(Posted { visit, form }: Posted) -> Result<HttpResponse, ApiError> {
    let (mut cart, snapshot) = (visit.cart(), visit.snapshot()?);
    let storefront = &visit.storefront;
    if storefront.seller(&snapshot).is_none() {
        // Nobody can order, so nobody need know which codes there are.
        return Ok(see_other("/cart"));
    }
    let text = form.text("code").unwrap_or_default();
    if form.text("remove").is_some() || text.trim().is_empty() {
        cart.coupon = None;
        return Ok(visit.with_cart(&cart, "/cart"));
    }
    storefront
        .limits
        .admit_action(&visit.request, Action::WrongCoupon)?;
    let checked = match typed_code(text) {
        Ok(code) => check(&visit.state, &snapshot, &cart, &code).await.map(|()| code),
        Err(problem) => Err(PlaceError::from(problem)),
    };
    if !checked.as_ref().is_err_and(is_guess) {
        storefront.limits.take_back(&visit.request, Action::WrongCoupon);
    }
    match checked {
        Ok(code) => {
            cart.coupon = Some(code);
            Ok(visit.with_cart(&cart, "/cart"))
        }
        Err(problem) => {
            let sentence = coupon_sentence(&problem).unwrap_or_else(|| t::COUPON_LATER.to_owned());
            let remarks = Remarks {
                refused_code: Some((text.to_owned(), sentence)),
                ..Remarks::default()
            };
            cart_page(&visit, &snapshot, cart, remarks).await
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
