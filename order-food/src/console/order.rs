//! One order: lines, amounts and history.

use actix_web::HttpResponse;
use diesel_async::AsyncPgConnection;
use shop::pick_up_code;
use uuid::Uuid;

use super::view::{Cell, Facts, Row, Section, Table};
use super::visit::{Refusal, Visit};
use crate::orders::orders_of;
use crate::orders::status::queries::{history, state};

/// GET /orders/{id}.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = Uuid::try_parse(visit.path("id")).map_err(|_| Refusal::Missing)?;
    let (orders, state, steps) = visit
        .read(async |connection: &mut AsyncPgConnection| {
            let orders = orders_of(connection, &[id]).await?;
            let state = state(connection, id, None).await?;
            let steps = match &state {
                Some(state) => history(connection, state).await?,
                None => Vec::new(),
            };
            Ok((orders, state, steps))
        })
        .await?;
    let (Some(order), Some(state)) = (orders.first(), state) else {
        return Err(Refusal::Missing);
    };
    let facts = Facts {
        heading: "Order".into(),
        rows: vec![
            ("id".into(), Cell::Code(id.to_string())),
            ("state".into(), Cell::Text(state.status.name().replace('_', " "))),
            ("since".into(), Cell::Time(state.changed_at)),
            ("ready".into(), Cell::time(state.ready_at)),
            ("placed by key".into(), Cell::Code(order.api_key.to_string())),
            ("subtotal".into(), Cell::number(order.totals.subtotal)),
            ("discount".into(), Cell::number(order.totals.discount)),
            ("total".into(), Cell::number(order.totals.total)),
            (
                "coupon".into(),
                Cell::Text(
                    order
                        .coupon_code
                        .as_ref()
                        .map_or("–", |code| code.as_str())
                        .to_owned(),
                ),
            ),
        ],
    };
    let lines = Table {
        caption: "Lines".into(),
        head: vec!["Units", "Product", "Category", "Price"],
        rows: order
            .lines
            .iter()
            .map(|line| Row {
                cells: vec![
                    Cell::number(line.quantity.units()),
                    Cell::Text(line.name.to_string()),
                    Cell::Text(line.category.to_string()),
                    Cell::number(line.unit_price),
                ],
                ..Row::default()
            })
            .collect(),
        ..Table::default()
    };
    let steps = Table {
        caption: "History".into(),
        head: vec!["State", "Since", "Reason"],
        rows: steps
            .iter()
            .map(|step| Row {
                cells: vec![
                    Cell::Text(step.status.name().replace('_', " ")),
                    Cell::Time(step.at),
                    Cell::Text(
                        step.reason
                            .map_or("–".into(), |reason| reason.name().replace('_', " ")),
                    ),
                ],
                ..Row::default()
            })
            .collect(),
        ..Table::default()
    };
    let title = format!("Order {}", pick_up_code(id.as_u128()));
    Ok(visit.page(
        title,
        vec![
            Section::Facts(facts),
            Section::Table(lines),
            Section::Table(steps),
        ],
    ))
}
