//! The kitchen's board: open orders in three columns, one press to the next state.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use askama::Template;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::future::ready;
use futures_util::stream::{StreamExt, once, unfold};
use pages::Representation;
use shop::order_status::allowed;
use shop::{Actor, OrderStatus, Reason, pick_up_code};
use tokio::time::timeout;
use url::form_urlencoded::byte_serialize;
use uuid::Uuid;

use super::right::Right;
use super::view::{Banner, Frame};
use super::visit::{Refusal, Visit};
use crate::live::EVENT_STREAM;
use crate::orders::states::{ByStatus, ids_by_status, present_states};
use crate::orders::status::{NotChanged, ReadyIn, StatusChange};
use crate::orders::{Order, orders_of, placed_at};

/// Orders that one board shows; more are told of.
const MOST: i64 = 500;

/// States that a board shows.
const OPEN: [OrderStatus; 4] = [
    OrderStatus::Placed,
    OrderStatus::Accepted,
    OrderStatus::Preparing,
    OrderStatus::Ready,
];

/// Minutes to choose from when an order is accepted.
pub(super) const MINUTES: [i32; 5] = [10, 15, 20, 30, 45];

#[derive(Template)]
#[template(path = "console/board.html")]
struct Board {
    frame: Frame,
    banner: Option<Banner>,
    category: String,
    text: String,
    categories: Vec<String>,
    /// What must be cooked: name and units.
    all_day: Vec<(String, u64)>,
    columns: [Column; 3],
    is_more: bool,
    /// Orders from before the window are shown, and no others.
    is_old: bool,
    /// How many there are that are not shown.
    older: usize,
    can_change: bool,
    minutes: Vec<i32>,
    usual: i32,
    /// What staff may say: name and words.
    reasons: Vec<(&'static str, String)>,
}

struct Column {
    heading: &'static str,
    tickets: Vec<Ticket>,
}

struct Ticket {
    id: Uuid,
    code: String,
    version: i32,
    status: OrderStatus,
    at: DateTime<Utc>,
    age: String,
    is_late: bool,
    ready: Option<DateTime<Utc>>,
    lines: Vec<(u64, String)>,
    total: String,
    coupon: Option<String>,
    moves: Vec<Move>,
}

/// A press on a ticket.
pub(super) struct Move {
    pub(super) to: &'static str,
    pub(super) label: &'static str,
    pub(super) asks_minutes: bool,
    pub(super) asks_reason: bool,
    /// The press that takes the order on: one of each ticket.
    is_main: bool,
}

/// What staff may do with an order of this state.
pub(super) fn moves_of(from: OrderStatus) -> Vec<Move> {
    let label = |to| match (from, to) {
        (_, OrderStatus::Accepted) => "Accept",
        (OrderStatus::Ready, OrderStatus::Preparing) => "Back to the kitchen",
        (_, OrderStatus::Preparing) => "Start",
        (_, OrderStatus::Ready) => "Ready",
        (_, OrderStatus::PickedUp) => "Picked up",
        (_, OrderStatus::Rejected) => "Reject",
        (_, OrderStatus::Cancelled) => "Cancel",
        (_, other) => other.name(),
    };
    let entry = |to: OrderStatus| Move {
        to: to.name(),
        label: label(to),
        asks_minutes: to == OrderStatus::Accepted,
        asks_reason: to.is_void(),
        is_main: !to.is_void() && (from, to) != (OrderStatus::Ready, OrderStatus::Preparing),
    };
    allowed(from, Actor::Staff).map(entry).collect()
}

/// What staff may give as a reason: name and words.
pub(super) fn reasons() -> Vec<(&'static str, String)> {
    let reasons = Actor::Staff.reasons().iter();
    reasons
        .map(|reason| (reason.name(), reason.name().replace('_', " ")))
        .collect()
}

/// GET /orders.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let boards = &visit.console.boards;
    let page = boards.page(&visit, async || write(&visit).await).await?;
    let mut response = page.whole(&visit.request);
    // It is kept nowhere, as no page of the console is.
    response.headers_mut().remove(header::CACHE_CONTROL);
    Ok(response)
}

async fn write(visit: &Visit) -> Result<Representation, Refusal> {
    let snapshot = visit.snapshot.clone().ok_or(Refusal::Missing)?;
    let now = snapshot.now();
    let since = now - visit.console.state.order_open_window;
    let placed_since = Uuid::from_u128(u128::try_from(since.timestamp_millis()).unwrap_or(0) << 80);
    let is_old = visit.field("old").is_some();
    let (orders, states, older) = visit
        .read(async |connection: &mut AsyncPgConnection| {
            let page = ByStatus {
                statuses: &OPEN,
                key: None,
                before: None,
                limit: MOST + 1,
                placed_since,
            };
            let (young, old): (Vec<Uuid>, Vec<Uuid>) = ids_by_status(connection, &page)
                .await?
                .into_iter()
                .partition(|id| *id >= placed_since);
            let (ids, older) = match is_old {
                true => (old, 0),
                false => (young, old.len()),
            };
            let states = present_states(connection, &ids, None).await?;
            Ok((orders_of(connection, &ids).await?, states, older))
        })
        .await?;
    let is_more = orders.len() as i64 > MOST;
    let state_of = states
        .iter()
        .map(|state| (state.order_id, state))
        .collect::<BTreeMap<_, _>>();
    let (category, text) = (visit.field("category"), visit.field("q"));
    let mut categories: Vec<String> = Vec::new();
    let mut all_day = BTreeMap::new();
    let mut columns = ["New", "Preparing", "Ready"].map(|heading| Column {
        heading,
        tickets: Vec::new(),
    });
    // The oldest first.
    for order in orders.iter().rev().take(MOST as usize) {
        let Some(present) = state_of.get(&order.id) else {
            continue;
        };
        let status = OrderStatus::parse(&present.status).unwrap_or(OrderStatus::Placed);
        for line in &order.lines {
            if !categories.iter().any(|known| **known == *line.category) {
                categories.push(line.category.to_string());
            }
        }
        let Some(ticket) = ticket(order, status, present, now, category, text) else {
            continue;
        };
        if status != OrderStatus::Ready {
            for (units, name) in &ticket.lines {
                *all_day.entry(name.clone()).or_insert(0) += units;
            }
        }
        let column = match status {
            OrderStatus::Placed => 0,
            OrderStatus::Ready => 2,
            _ => 1,
        };
        if let Some(column) = columns.get_mut(column) {
            column.tickets.push(ticket);
        }
    }
    categories.sort();
    let board = Board {
        frame: visit.frame(),
        banner: visit.banner(),
        category: category.unwrap_or_default().to_owned(),
        text: text.unwrap_or_default().to_owned(),
        categories,
        all_day: all_day.into_iter().collect(),
        columns,
        is_more,
        is_old,
        older,
        can_change: visit.may(Right::ManageOrders),
        minutes: MINUTES.to_vec(),
        usual: visit.console.state.order_ready_minutes.minutes(),
        reasons: reasons(),
    };
    let page = board.render().map_err(Refusal::database)?;
    Ok(Representation::page(&visit.request, page.into_bytes()))
}

/// The ticket of an order; `None` when it is not what is looked for.
fn ticket(
    order: &Order,
    status: OrderStatus,
    present: &crate::live::Change,
    now: DateTime<Utc>,
    category: Option<&str>,
    text: Option<&str>,
) -> Option<Ticket> {
    let code = pick_up_code(order.id.as_u128());
    let plain = |text: &str| text.replace('-', "").to_lowercase();
    if let Some(text) = text.map(plain)
        && !plain(&code).contains(&text)
        && !order.id.simple().to_string().contains(&text)
    {
        return None;
    }
    let lines: Vec<(u64, String)> = order
        .lines
        .iter()
        .filter(|line| category.is_none_or(|category| *line.category == *category))
        .map(|line| (line.quantity.units().into(), line.name.to_string()))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let at = placed_at(order.id).unwrap_or(present.changed_at);
    let age = (now - at).num_seconds().max(0);
    Some(Ticket {
        id: order.id,
        code,
        version: present.version,
        status,
        at,
        age: match age / 86_400 {
            0 => format!("{}:{:02}", age / 60, age % 60),
            days => format!("{days} d"),
        },
        is_late: status != OrderStatus::Ready && present.ready_at.is_some_and(|ready| ready < now),
        ready: present.ready_at,
        lines,
        total: order.totals.total.to_string(),
        coupon: order.coupon_code.as_ref().map(|code| code.as_str().to_owned()),
        moves: moves_of(status),
    })
}

/// POST /orders/{id}: changes the state, unless somebody was faster.
pub(super) async fn change(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id: Uuid = visit.id()?;
    let to = visit.field("to").and_then(|name| OrderStatus::parse(name).ok());
    let to = to.ok_or_else(|| Refusal::invalid("The state is not known."))?;
    let version = visit.field("version").and_then(|version| version.parse().ok());
    let version: i32 = version.ok_or_else(|| Refusal::invalid("The version is missing."))?;
    let reason = visit.field("reason").map(Reason::parse).transpose();
    let reason = reason.map_err(|_| Refusal::invalid("The reason is not known."))?;
    let minutes = visit.field("minutes").map(str::parse::<i64>).transpose();
    let minutes = minutes.map_err(|_| Refusal::invalid("Minutes are a number."))?;
    let ready_in = minutes.map(ReadyIn::new).transpose().map_err(Refusal::invalid)?;
    let Some(session) = &visit.session else {
        return Err(Refusal::Missing);
    };
    let change = StatusChange {
        order: id,
        to,
        actor: Actor::Staff,
        key: session.key,
        via: Some("console"),
        ready_in,
        reason,
        note: visit.value("note"),
        versions: Some(vec![version]),
    };
    let done = match visit.console.state.changes.make(change).await {
        Ok(_) => {
            visit.console.boards.changed();
            "moved"
        }
        Err(NotChanged::OtherVersion { .. } | NotChanged::NotAllowed { .. }) => "faster",
        Err(NotChanged::NotFound) => return Err(Refusal::Missing),
        Err(NotChanged::ReasonRequired { .. }) => {
            return Err(Refusal::invalid("Say why: the customer sees it."));
        }
        Err(error @ (NotChanged::Unavailable(_) | NotChanged::Unknown(_))) => {
            return Err(Refusal::database(error));
        }
        Err(error) => return Err(Refusal::invalid(error)),
    };
    if visit.field("from").is_some() {
        return Ok(visit.back(&format!("/orders/{id}"), done));
    }
    let path = match visit.field("category") {
        Some(category) => {
            let category: String = byte_serialize(category.as_bytes()).collect();
            format!("/orders?category={category}")
        }
        None => "/orders".to_owned(),
    };
    Ok(visit.back(&path, done))
}

/// Time without news after which a comment is sent: a browser that has gone is noticed by it.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// GET /orders/events: a line whenever orders changed, here or on another replica.
pub(super) async fn events(visit: Visit) -> Result<HttpResponse, Refusal> {
    let state = &visit.console.state;
    let place = state
        .streams
        .place()
        .map_err(|_| Refusal::database("as many streams are open as there may be"))?;
    let news = state.live.board();
    let draining = state.streams.draining();
    let first = once(ready(Ok::<_, actix_web::Error>(Bytes::from_static(
        b"retry: 2000\n\n",
    ))));
    let lines = unfold((visit, place, news), move |(visit, place, mut news)| {
        let draining = draining.clone();
        async move {
            let line: &'static [u8] = tokio::select! {
                () = draining.cancelled() => return None,
                change = timeout(HEARTBEAT, news.changed()) => match change {
                    Ok(Ok(())) => b"data: orders\n\n",
                    Ok(Err(_)) => return None,
                    Err(_) => b":\n\n",
                },
            };
            // A revoked key hears nothing more.
            let is_still_in = visit.is_still_in();
            is_still_in.then(|| (Ok(Bytes::from_static(line)), (visit, place, news)))
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(first.chain(lines)))
}
