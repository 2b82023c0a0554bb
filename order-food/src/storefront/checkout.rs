//! Ordering: exactly one order for each attempt, whatever is clicked, lost or sent again.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use serde::Deserialize;
use shop::Money;
use tokio::time::Instant;
use uuid::Uuid;

use super::cart::{Attempt, Cart};
use super::cart_page::{Remarks, cart_page};
use super::error_pages::{REFRESH, message};
use super::form::Form;
use super::former::FormerNames;
use super::links;
use super::pricing::{coupon_sentence, seen};
use super::texts as t;
use super::visit::{Posted, Visit};
use super::{Storefront, keep, see_other};
use crate::http::ApiError;
use crate::orders::{IdempotencyClaim, IdempotencyKey, NotStored, PlaceError, Placed, Shown, place};
use crate::rate_limit::Action;
use crate::reference_data::{ApiKeyId, Snapshot};
use crate::state::AppState;

/// Between two looks at an order that is in progress.
const PAUSE: Duration = Duration::from_millis(50);
/// Seconds until a page that checks is fetched again.
const REFRESH_S: &str = "2";

/// The id in the answer of an order.
#[derive(Deserialize)]
struct Answer {
    id: Uuid,
}

/// POST /checkout
pub(crate) async fn checkout(Posted { visit, form }: Posted) -> Result<HttpResponse, ApiError> {
    let (snapshot, cart) = (visit.snapshot()?, visit.cart());
    let (state, storefront, request) = (&visit.state, &visit.storefront, &visit.request);
    let Some(seller) = storefront.seller(&snapshot) else {
        return cart_page(&visit, &snapshot, cart, Remarks::default()).await;
    };
    let attempt = form
        .text("attempt")
        .and_then(|text| Attempt::parse(text, &storefront.signer));
    let Some(attempt) = attempt else {
        return stale(&visit, &snapshot, cart).await;
    };
    let claim = claim(seller, &attempt, &cart);
    if cart.attempt.as_ref() != Some(&attempt) {
        // A form of before: it leads to the order that came of it, and never to another.
        return match settled(state, &claim).await {
            Ok(Some((order, _))) => Ok(ordered(&visit, cart, order, "again=1")),
            Ok(None) => stale(&visit, &snapshot, cart).await,
            Err(_) => Err(ApiError::Unavailable),
        };
    }
    let shown = shown(&form);
    storefront.limits.admit_action(request, Action::Order)?;
    let placed = placed(state, &snapshot, &cart, &claim, shown.as_ref()).await;
    if !matches!(
        placed,
        Ok(Placed::Now(..)) | Err(PlaceError::NotStored(NotStored::Unknown { .. }))
    ) {
        storefront.limits.take_back(request, Action::Order);
    }
    match placed {
        Ok(Placed::Now(order, _, totals)) => {
            state.metrics.placed(&totals);
            Ok(ordered(&visit, emptied(cart), order, "new=1"))
        }
        Ok(Placed::Replayed(answer)) => {
            state.metrics.answered_again();
            Ok(ordered(&visit, emptied(cart), order_id(&answer)?, "again=1"))
        }
        Err(problem) => refused(&visit, &snapshot, (cart, shown), (&claim, problem)).await,
    }
}

/// GET /checkout: whether the attempt of the cart came to an order, when its answer was lost.
pub(crate) async fn checking(visit: Visit) -> Result<HttpResponse, ApiError> {
    let (snapshot, cart) = (visit.snapshot()?, visit.cart());
    let seller = visit.storefront.seller(&snapshot);
    let (Some(seller), Some(attempt)) = (seller, cart.attempt.clone()) else {
        return Ok(see_other("/cart"));
    };
    let query = Form::query(&visit.request);
    let since = query.text("since").and_then(|text| text.parse().ok());
    let waited = snapshot.now().timestamp().saturating_sub(since.unwrap_or(0));
    let is_over = waited > i64::try_from(visit.state.order_deadline.as_secs()).unwrap_or(i64::MAX);
    match settled(&visit.state, &claim(seller, &attempt, &cart)).await {
        Ok(Some((order, is_whole))) => Ok(arrived(&visit, cart, order, is_whole)),
        Ok(None) if since.is_none() => Ok(see_other("/cart")),
        Ok(None) if is_over => Ok(see_other("/cart?unstored=1")),
        Ok(None) | Err(_) => {
            let way = Some(("/checkout", t::TO_CART));
            let mut response = message(&visit.request, &visit.storefront, t::CHECKING, way)?;
            let again = HeaderValue::from_static(REFRESH_S);
            response.headers_mut().insert(REFRESH, again);
            Ok(response)
        }
    }
}

/// The claim of an attempt with the cart as its body.
fn claim(seller: ApiKeyId, attempt: &Attempt, cart: &Cart) -> Arc<IdempotencyClaim> {
    let key = IdempotencyKey::made(attempt.as_str());
    Arc::new(IdempotencyClaim::new(seller, key, cart.canonical().as_bytes()))
}

/// What the form's page showed. Without it, nothing is ordered.
fn shown(form: &Form) -> Option<Shown> {
    Some(Shown {
        total: total(form.text("expected_total")?)?,
        lines: seen(form.text("seen")?)?,
    })
}

/// An amount as the form writes it: digits and two decimals.
fn total(text: &str) -> Option<Money> {
    let (whole, cents) = text.split_once('.').filter(|(_, cents)| cents.len() == 2)?;
    let digits = format!("{whole}{cents}");
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).map(Money::from_cents)
}

/// Places the order; while the same attempt is in progress elsewhere, waits for how it ends.
async fn placed(
    state: &AppState,
    snapshot: &Snapshot,
    cart: &Cart,
    claim: &Arc<IdempotencyClaim>,
    shown: Option<&Shown>,
) -> Result<Placed, PlaceError> {
    let never = Shown {
        total: Money::ZERO,
        lines: Vec::new(),
    };
    let deadline = Instant::now() + state.order_deadline;
    loop {
        let request = cart.order_request();
        let placing = place(
            state,
            snapshot,
            claim.api_key,
            request,
            Some(claim.clone()),
            Some(shown.unwrap_or(&never)),
        );
        match Box::pin(placing).await {
            Err(PlaceError::NotStored(NotStored::KeyInUse)) if Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            placed => return placed,
        }
    }
}

/// What was stored under a claim, waited for while it is in progress.
async fn settled(state: &AppState, claim: &IdempotencyClaim) -> Result<Option<(Uuid, bool)>, NotStored> {
    let deadline = Instant::now() + state.order_deadline;
    loop {
        match state.orders.order_of(claim, deadline).await {
            Err(NotStored::KeyInUse) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            settled => return settled,
        }
    }
}

/// The answer to an order that was not placed by this request.
async fn refused(
    visit: &Visit,
    snapshot: &Snapshot,
    (cart, shown): (Cart, Option<Shown>),
    (claim, problem): (&IdempotencyClaim, PlaceError),
) -> Result<HttpResponse, ApiError> {
    let state = &visit.state;
    let mut remarks = Remarks::default();
    match &problem {
        PlaceError::NotStored(NotStored::KeyReused) => {
            // The attempt came to an order before the cart was changed: the change is kept.
            return match settled(state, claim).await {
                Ok(Some((order, is_whole))) => Ok(arrived(visit, cart, order, is_whole)),
                _ => Err(ApiError::Unavailable),
            };
        }
        PlaceError::NotStored(NotStored::KeyInUse | NotStored::Unknown { .. }) => {
            // Counts and logs it as for the API.
            state.metrics.refused(ApiError::from(problem).kind());
            let since = snapshot.now().timestamp();
            return Ok(see_other(&format!("/checkout?since={since}")));
        }
        PlaceError::NoItems => {}
        PlaceError::NotStored(NotStored::Unavailable(_)) => remarks.notices.push(t::NOT_STORED.to_owned()),
        problem => match coupon_sentence(problem) {
            Some(sentence) => {
                remarks.changes.push(sentence.clone());
                remarks.unredeemable = Some(sentence);
            }
            None => {
                let ids = shown.iter().flat_map(|shown| &shown.lines).map(|(id, ..)| *id);
                let former = FormerNames::read(state, snapshot, ids).await;
                remarks.changes = changes(&visit.storefront, (snapshot, &former), &cart, shown.as_ref());
            }
        },
    }
    let answer = ApiError::from(problem);
    state.metrics.refused(answer.kind());
    if matches!(answer, ApiError::Internal) {
        return Err(answer);
    }
    let is_down = matches!(answer, ApiError::Unavailable);
    let page = cart_page(visit, snapshot, cart, remarks).await?;
    match is_down {
        true => super::error_pages::unavailable(&visit.request, page),
        false => Ok(page),
    }
}

/// What changed since the customer was shown the cart, old and new.
fn changes(
    storefront: &Storefront,
    (snapshot, former): (&Snapshot, &FormerNames),
    cart: &Cart,
    shown: Option<&Shown>,
) -> Vec<String> {
    let show = |money| storefront.currency.show(money);
    let Some(shown) = shown else {
        return vec![t::STALE_FORM.to_owned()];
    };
    let mut changes: Vec<String> = Vec::new();
    for (id, _, old) in &shown.lines {
        match snapshot.catalogue.product(*id) {
            None => {
                let sentence = former.name(*id).map_or(t::IS_GONE.to_owned(), t::is_gone);
                if !changes.contains(&sentence) {
                    changes.push(sentence);
                }
            }
            Some(product) if product.price != *old => {
                changes.push(t::costs_now(&product.name, show(*old), show(product.price)));
            }
            Some(_) => {}
        }
    }
    let lines = shown.lines.iter().map(|(id, quantity, _)| (*id, *quantity));
    if !lines.eq(cart.lines().iter().copied()) {
        changes.push(t::STALE_FORM.to_owned());
    }
    let new = super::pricing::price(snapshot, cart)
        .totals
        .map(|totals| totals.total);
    if let Some(new) = new.filter(|new| *new != shown.total) {
        changes.push(t::total_is(show(shown.total), show(new)));
    }
    changes
}

/// The cart as it is, which the customer has to look at again.
async fn stale(visit: &Visit, snapshot: &Snapshot, cart: Cart) -> Result<HttpResponse, ApiError> {
    let mut remarks = Remarks::default();
    if !cart.is_empty() {
        remarks.changes.push(t::STALE_FORM.to_owned());
    }
    cart_page(visit, snapshot, cart, remarks).await
}

/// To the order that an earlier request placed. The cart is emptied if it is what was ordered; else
/// it goes on under a new attempt.
fn arrived(visit: &Visit, cart: Cart, order: Uuid, is_whole: bool) -> HttpResponse {
    let cart = match is_whole {
        true => emptied(cart),
        false => cart.renewed(),
    };
    ordered(visit, cart, order, "again=1")
}

fn emptied(mut cart: Cart) -> Cart {
    cart.clear();
    cart.renewed()
}

/// To the page of an order, which this browser's own orders now hold.
fn ordered(visit: &Visit, cart: Cart, order: Uuid, query: &str) -> HttpResponse {
    let signer = &visit.storefront.signer;
    let mut own = visit.own_orders();
    own.remember(order);
    let link = links::link(order, signer);
    let mut response = visit.with_cart(&cart, &format!("{link}?{query}"));
    keep(&mut response, own.cookie(&visit.site(), signer));
    response
}

fn order_id(answer: &[u8]) -> Result<Uuid, ApiError> {
    let answer: Result<Answer, _> = serde_json::from_slice(answer);
    answer.map(|answer| answer.id).map_err(|_| ApiError::Internal)
}
