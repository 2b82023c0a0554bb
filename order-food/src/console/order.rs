//! One order: lines, amounts and history.

use actix_web::HttpResponse;
use diesel_async::AsyncPgConnection;
use shop::pick_up_code;
use uuid::Uuid;

use super::board::{MINUTES, Move, moves_of, reasons};
use super::cell::Cell;
use super::loads;
use super::right::Right;
use super::view::{Facts, Field, Form, Section, Table};
use super::visit::{Refusal, Visit};
use crate::orders::status::queries::state;
use crate::orders::{OrderLine, orders_of};

/// $1: the id of an order. Its changes, oldest first.
const HISTORY: &str = "
    SELECT to_jsonb(order_events) || jsonb_build_object('status', to_status) AS row
    FROM order_events WHERE order_id = $1::uuid ORDER BY version";

/// GET /orders/{id}.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id: Uuid = visit.id()?;
    let (orders, state, steps) = visit
        .read(async |connection: &mut AsyncPgConnection| {
            let orders = orders_of(connection, &[id]).await?;
            let state = state(connection, id, None).await?;
            Ok((
                orders,
                state,
                loads::rows_of(connection, HISTORY, &id.to_string()).await?,
            ))
        })
        .await?;
    let (Some(order), Some(state)) = (orders.first(), state) else {
        return Err(Refusal::Missing);
    };
    let coupon = order.coupon_code.as_ref().map_or("–", |code| code.as_str());
    let facts = Facts::new(
        "Order",
        [
            ("id", Cell::Code(id.to_string())),
            ("state", Cell::Text(state.status.name().replace('_', " "))),
            ("since", Cell::Time(state.changed_at)),
            ("ready", Cell::time(state.ready_at)),
            ("placed by key", Cell::Code(order.api_key.to_string())),
            ("subtotal", Cell::number(order.totals.subtotal)),
            ("discount", Cell::number(order.totals.discount)),
            ("total", Cell::number(order.totals.total)),
            ("coupon", Cell::text(coupon)),
        ],
    );
    let line = |line: &OrderLine| {
        [
            Cell::number(line.quantity.units()),
            Cell::text(&*line.name),
            Cell::text(&*line.category),
            Cell::number(line.unit_price),
        ]
    };
    let head = ["Units", "Product", "Category", "Price"];
    let lines = Table::new("Lines", &head, order.lines.iter().map(line), "");
    let steps = Table::of(
        "History",
        &[
            ("State", "status"),
            ("Since", "at"),
            ("By", "actor"),
            ("Key", "actor_id"),
            ("Reason", "reason"),
            ("Note", "note"),
            ("Request", "request_id"),
        ],
        &steps,
        "Nothing was changed since it was placed.",
    );
    let title = format!("Order {}", pick_up_code(id.as_u128()));
    let mut sections = vec![Section::Facts(facts), Section::Print];
    if visit.may(Right::ManageOrders) {
        sections.extend(
            moves_of(state.status)
                .iter()
                .map(|step| Section::Form(press(&visit, id, state.version, step))),
        );
    }
    sections.extend([Section::Table(lines), Section::Table(steps)]);
    Ok(visit.page(title, sections))
}

/// The form of one press.
fn press(visit: &Visit, id: Uuid, version: i32, step: &Move) -> Form {
    let mut fields = vec![
        Field::hidden("to", step.to),
        Field::hidden("version", &version.to_string()),
        Field::hidden("from", "order"),
    ];
    if step.asks_minutes {
        let usual = visit.console.state.order_ready_minutes.minutes();
        let other = (!MINUTES.contains(&usual)).then_some(usual);
        let minutes = other.into_iter().chain(MINUTES).map(|number| number.to_string());
        fields.push(Field {
            options: minutes.map(|number| (number.clone(), number)).collect(),
            ..Field::text("minutes", "Minutes", &usual.to_string())
        });
    }
    if step.asks_reason {
        let options = reasons()
            .into_iter()
            .map(|(name, words)| (name.to_owned(), words));
        let label = format!("Reason to {} it", step.label.to_lowercase());
        fields.push(Field {
            options: options.collect(),
            place: step.to,
            ..Field::text("reason", &label, "")
        });
        fields.push(Field {
            place: step.to,
            hint: "For the staff alone.",
            ..Field::text("note", "Note", "")
        });
    }
    Form {
        path: format!("/orders/{id}"),
        fields,
        submit: step.label.into(),
        ..Form::default()
    }
}
