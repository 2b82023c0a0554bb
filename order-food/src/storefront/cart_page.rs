//! The cart as a page: lines, coupon, totals, and the button that orders.

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;
use shop::{CouponCode, Money, ProductId, Totals};

use super::Storefront;
use super::cart::Cart;
use super::form::Form;
use super::former::FormerNames;
use super::frame::{Badge, Frame};
use super::picture::{self, Picture, tint};
use super::pricing::{Coupon, PricedCart, ZERO, coupon_sentence, price, seen_text};
use super::texts as t;
use super::visit::Visit;
use crate::http::ApiError;
use crate::orders::{CouponCheck, NotStored, OrderLine, PlaceError, coupon_use, totals};
use crate::reference_data::Snapshot;
use crate::state::AppState;

#[derive(Template)]
#[template(path = "cart.html")]
struct CartPage<'a> {
    frame: Frame<'a>,
    notices: Vec<String>,
    changes: Vec<String>,
    /// A removed product and its units.
    undo: Option<(ProductId, u16)>,
    lines: Vec<Line<'a>>,
    /// How many lines can no longer be ordered.
    gone: usize,
    /// The code in the field.
    coupon: String,
    /// Whether the cart holds a code.
    coupon_kept: bool,
    coupon_problem: Option<String>,
    discount_code: Option<String>,
    totals: Totals,
    checkout: Option<Checkout>,
}

struct Line<'a> {
    id: ProductId,
    name: String,
    picture: Picture<'a>,
    tint: i64,
    quantity: u16,
    /// `None`: it is no longer sold.
    price: Option<Money>,
    sum: Money,
}

struct Checkout {
    attempt: String,
    seen: String,
}

/// How long a cart waits for what only the database knows of its coupon. Ordering checks it anyway.
const COUPON_TIMEOUT: Duration = Duration::from_millis(300);

/// What a cart page says besides the cart.
#[derive(Default)]
pub(super) struct Remarks {
    pub(super) notices: Vec<String>,
    /// What is different from what the customer was shown.
    pub(super) changes: Vec<String>,
    pub(super) undo: Option<(ProductId, u16)>,
    /// A code that was refused, to be corrected, and why.
    pub(super) refused_code: Option<(String, String)>,
    /// Why the database does not take the cart's coupon.
    pub(super) unredeemable: Option<String>,
}

/// GET /cart
pub(crate) async fn cart(visit: Visit) -> Result<HttpResponse, ApiError> {
    let (snapshot, cart) = (visit.snapshot()?, visit.cart());
    let mut remarks = remarks(&visit, &snapshot).await;
    if let Some(code) = &cart.coupon {
        let checking = check(&visit.state, &snapshot, &cart, code);
        if let Ok(Err(problem)) = tokio::time::timeout(COUPON_TIMEOUT, checking).await
            && matches!(problem, PlaceError::NotStored(_))
        {
            remarks.unredeemable = coupon_sentence(&problem);
        }
    }
    cart_page(&visit, &snapshot, cart, remarks).await
}

/// The page of this cart.
pub(super) async fn cart_page(
    visit: &Visit,
    snapshot: &Snapshot,
    cart: Cart,
    remarks: Remarks,
) -> Result<HttpResponse, ApiError> {
    let priced = match &remarks.unredeemable {
        Some(sentence) => price(snapshot, &cart).without_coupon(snapshot, sentence),
        None => price(snapshot, &cart),
    };
    let gone = priced.gone.iter().map(|(id, _)| *id);
    let former = FormerNames::read(&visit.state, snapshot, gone).await;
    visit.page(&CartPage::of(visit, (snapshot, &former), &cart, &priced, remarks))
}

impl<'a> CartPage<'a> {
    fn of(
        visit: &'a Visit,
        (snapshot, former): (&'a Snapshot, &FormerNames),
        cart: &Cart,
        priced: &PricedCart,
        mut remarks: Remarks,
    ) -> CartPage<'a> {
        let frame = visit.frame(Badge::priced(priced), snapshot);
        let lines = cart.lines().iter().map(|(id, quantity)| {
            let product = snapshot.catalogue.product(*id);
            Line {
                id: *id,
                name: name_of(snapshot, former, *id),
                picture: product.map_or(Picture::Symbol(picture::UNKNOWN), |product| {
                    Picture::of(product, &visit.storefront.settings.image_hosts)
                }),
                tint: tint(*id),
                quantity: quantity.units(),
                price: product.map(|product| product.price),
                sum: product.map_or(Money::ZERO, |product| OrderLine::of(product, *quantity).amount()),
            }
        });
        let kept = cart.coupon.as_ref().map(ToString::to_string);
        let refused_now = match &priced.coupon {
            Coupon::Refused(sentence) => Some(sentence.clone()),
            _ => None,
        };
        if priced.totals.is_none() {
            remarks.notices.push(t::TOO_LARGE.to_owned());
        }
        let (coupon, coupon_problem) = match remarks.refused_code {
            Some((code, sentence)) => (code, Some(sentence)),
            None => (kept.clone().unwrap_or_default(), refused_now),
        };
        let totals = priced.totals.unwrap_or(ZERO);
        let is_worthless = priced.coupon == Coupon::Accepted && totals.discount == Money::ZERO;
        if is_worthless {
            remarks.notices.push(t::COUPON_WORTHLESS.to_owned());
        }
        CartPage {
            checkout: checkout(&frame, cart, priced),
            frame,
            notices: remarks.notices,
            changes: remarks.changes,
            undo: remarks.undo,
            lines: lines.collect(),
            gone: priced.gone.len(),
            coupon,
            coupon_kept: kept.is_some(),
            coupon_problem,
            discount_code: kept.filter(|_| totals.discount > Money::ZERO),
            totals,
        }
    }
}

/// The form that orders: where something can be ordered, and nothing has to be mended first.
fn checkout(frame: &Frame<'_>, cart: &Cart, priced: &PricedCart) -> Option<Checkout> {
    let can_order = frame.open
        && priced.totals.is_some()
        && priced.gone.is_empty()
        && !priced.lines.is_empty()
        && !matches!(priced.coupon, Coupon::Refused(_));
    let attempt = cart.attempt.as_ref().filter(|_| can_order)?;
    Some(Checkout {
        attempt: attempt.as_str().to_owned(),
        seen: seen_text(&priced.lines),
    })
}

/// What the address asks to be said: a removed product, a cleared cart, an order that was not
/// stored, the differences of an order that is ordered again.
async fn remarks(visit: &Visit, snapshot: &Snapshot) -> Remarks {
    let query = Form::query(&visit.request);
    let mut remarks = Remarks::default();
    let name = async |id: ProductId| {
        let former = FormerNames::read(&visit.state, snapshot, [id]).await;
        name_of(snapshot, &former, id)
    };
    let removed = query.text("removed").and_then(|text| text.split_once('x'));
    if let Some((id, units)) = removed
        && let (Ok(id), Ok(units @ 1..=1000)) = (ProductId::parse(id), units.parse())
    {
        remarks.notices.push(t::removed(name(id).await));
        remarks.undo = snapshot.catalogue.product(id).map(|_| (id, units));
    }
    remarks.notices.extend(query.told(&[
        ("cleared", t::CLEARED),
        ("unstored", t::NOT_STORED),
        ("full", t::CART_FULL),
        ("unsold", t::NOT_SOLD),
    ]));
    if let Some(id) = query.product("range") {
        remarks.notices.push(t::quantity_range(name(id).await));
    }
    if let Some(token) = query.text("again")
        && let Ok(order) = visit.order(token, snapshot).await
    {
        remarks.notices.push(t::AGAIN_SAME.to_owned());
        let differences = order.lines.iter();
        let differences = differences.filter_map(|line| difference(&visit.storefront, snapshot, line));
        remarks.notices.extend(differences);
    }
    remarks
}

/// The name of a product, also of one that left the menu.
fn name_of(snapshot: &Snapshot, former: &FormerNames, id: ProductId) -> String {
    let sold = snapshot.catalogue.product(id).map(|product| &*product.name);
    let known = sold.or_else(|| former.name(id));
    known.unwrap_or(t::FORMER_PRODUCT).to_owned()
}

/// How a product differs from what it was in an order.
fn difference(storefront: &Storefront, snapshot: &Snapshot, line: &OrderLine) -> Option<String> {
    let show = |money| storefront.currency.show(money);
    match snapshot.catalogue.product(line.product) {
        None => Some(t::is_gone(&line.name)),
        Some(product) if product.price != line.unit_price => Some(t::costs_now(
            &product.name,
            show(line.unit_price),
            show(product.price),
        )),
        Some(_) => None,
    }
}

/// Whether `code` is good for the cart: also for what only the database knows, while it answers.
/// The order checks it again.
pub(super) async fn check(
    state: &AppState,
    snapshot: &Snapshot,
    cart: &Cart,
    code: &CouponCode,
) -> Result<(), PlaceError> {
    let lines = price(snapshot, cart).lines;
    let (_, check) = totals(snapshot, &lines, Some(code))?;
    if check == CouponCheck::None {
        return Ok(());
    }
    let read = async |connection: &mut _| coupon_use(connection, code, check).await;
    match state.read("SELECT coupon", read).await {
        Ok(Some(unredeemable)) => Err(NotStored::from(unredeemable).into()),
        Ok(None) | Err(_) => Ok(()),
    }
}
