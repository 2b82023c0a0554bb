//! The state of an order on its page: the steps with their times, the events that follow, and
//! taking the order back.

use actix_web::{HttpResponse, web};
use pages::ShownTime;
use shop::{Actor, OrderStatus};
use uuid::Uuid;

use super::texts as t;
use super::visit::{Posted, Visit};
use super::{Storefront, links, see_other};
use crate::http::ApiError;
use crate::orders::events;
use crate::orders::status::{NotChanged, OrderState, StatusChange, Step as Past, queries};
use crate::spans;

/// What the page says of an order's state.
pub(super) struct StatusView {
    pub(super) version: i32,
    pub(super) sentence: &'static str,
    /// When it is expected to be ready, while it is not.
    pub(super) ready_at: Option<ShownTime>,
    pub(super) reason: Option<&'static str>,
    pub(super) steps: Vec<Step>,
    /// Where the events come from; `None`: nothing follows.
    pub(super) events: Option<String>,
    pub(super) read_at: ShownTime,
    pub(super) can_cancel: bool,
}

/// A state that the order had, has, or may come to.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) at: Option<ShownTime>,
    pub(super) is_present: bool,
}

/// The states of an order that all goes well with.
const PATH: [OrderStatus; 5] = [
    OrderStatus::Placed,
    OrderStatus::Accepted,
    OrderStatus::Preparing,
    OrderStatus::Ready,
    OrderStatus::PickedUp,
];

impl StatusView {
    /// The state of an order that exists; `is_own`: this browser placed it.
    pub(super) async fn read(visit: &Visit, order: Uuid, is_own: bool) -> Result<StatusView, ApiError> {
        let read = async |connection: &mut _| {
            let Some(present) = queries::state(connection, order, None).await? else {
                return Ok(None);
            };
            let history = queries::history(connection, &present).await?;
            Ok(Some((present, history)))
        };
        let found = visit.state.read("SELECT order_states", read).await?;
        let (present, history) = found.ok_or_else(|| visit.state.cells.missing(order))?;
        Ok(StatusView::of(&visit.storefront, &present, &history, is_own))
    }

    fn of(storefront: &Storefront, present: &OrderState, history: &[Past], is_own: bool) -> StatusView {
        let status = present.status;
        let is_underway = matches!(status, OrderStatus::Accepted | OrderStatus::Preparing);
        let link = links::link(present.order, &storefront.signer);
        StatusView {
            version: present.version,
            sentence: t::status(status),
            ready_at: present
                .ready_at
                .filter(|_| is_underway)
                .map(|at| storefront.time(at)),
            reason: present.reason.map(t::reason),
            steps: steps(storefront, status, history),
            events: (!status.is_final()).then(|| format!("{link}/events")),
            read_at: storefront.time(chrono::Utc::now()),
            can_cancel: is_own && status == OrderStatus::Placed,
        }
    }
}

/// The steps up to the present one with their times, and those to come without. An order that was
/// stopped shows how far it came.
fn steps(storefront: &Storefront, status: OrderStatus, history: &[Past]) -> Vec<Step> {
    let time_of = |wanted: OrderStatus| {
        let last = history.iter().rev().find(|past| past.status == wanted);
        last.map(|past| storefront.time(past.at))
    };
    let step = |wanted: OrderStatus, is_reached: bool| Step {
        name: t::step(wanted),
        at: time_of(wanted).filter(|_| is_reached),
        is_present: wanted == status,
    };
    match PATH.iter().position(|known| *known == status) {
        Some(reached) => (0..)
            .zip(PATH)
            .map(|(place, known)| step(known, place <= reached))
            .collect(),
        None => {
            let came = PATH.into_iter().filter(|known| time_of(*known).is_some());
            came.chain([status]).map(|known| step(known, true)).collect()
        }
    }
}

/// GET /order/{token}/events
pub(crate) async fn follow(token: web::Path<String>, visit: Visit) -> Result<HttpResponse, ApiError> {
    let snapshot = visit.snapshot()?;
    let order = visit.storefront.order_of(&token, &snapshot)?;
    events::follow(&visit.request, &visit.state, order, None, || true).await
}

/// POST /order/{token}/cancel: by the browser that placed the order, until it is answered.
pub(crate) async fn cancel(
    token: web::Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<HttpResponse, ApiError> {
    let state = &visit.state;
    let snapshot = visit.snapshot()?;
    let order = visit.storefront.order_of(&token, &snapshot)?;
    let is_own = visit.own_orders().ids().contains(&order);
    let key = visit.storefront.settings.key_id.filter(|_| is_own);
    let key = key.ok_or(ApiError::Forbidden(
        "only the browser that placed the order may cancel it",
    ))?;
    let change = StatusChange {
        order,
        to: OrderStatus::Cancelled,
        actor: Actor::Browser,
        key,
        via: None,
        ready_in: None,
        reason: None,
        note: None,
        versions: None,
    };
    let outcome = match state.changes.make(change).await {
        Ok(_) => "cancelled=1",
        Err(NotChanged::NotAllowed { .. }) => "late=1",
        Err(NotChanged::NotFound) => return Err(state.cells.missing(order)),
        Err(problem) => {
            // The order's page tells what came of it.
            spans::failed(&problem, "whether an order was cancelled is not known");
            return Err(ApiError::Unavailable);
        }
    };
    Ok(see_other(&format!("/order/{token}?{outcome}")))
}
