//! GET /api/order.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use shop::OrderStatus;
use utoipa::IntoParams;
use uuid::Uuid;

use super::handlers::{READ, own, parse_id};
use super::states::{ByStatus, ids_by_status, present_states};
use super::status::first_id_at;
use super::with_lines::Page;
use super::{Cursor, Order, OrderAnswer, queries};
use crate::auth::Caller;
use crate::http::representation::Representation;
use crate::http::{ApiError, ErrorBody, to_json};
use crate::live::Change;
use crate::paging::{self, Parameters};
use crate::reference_data::ApiKeyId;
use crate::state::AppState;

const DEFAULT_LIMIT: usize = 20;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are read one by one")]
pub(crate) struct ListParameters {
    /// At most this many orders.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    limit: Option<u8>,
    /// Where to go on: taken from the `Link` header of the page before.
    #[param(required = false)]
    cursor: Option<String>,
    /// Only orders in one of these states, separated by commas. Of placed ones, those that are not
    /// older than ORDER_OPEN_WINDOW (24 h).
    #[param(required = false, example = "placed,accepted,preparing,ready")]
    status: Option<String>,
    /// `status`: each order has a member `status`, the data of its newest event.
    #[param(required = false, example = "status")]
    expand: Option<String>,
}

/// What is asked for.
struct Asked {
    limit: usize,
    before: Option<Cursor>,
    /// As sent, for the address of the next page; `None`: orders in any state.
    status: Option<(String, Vec<OrderStatus>)>,
    expand: bool,
}

/// The orders that the key may see, newest first.
#[utoipa::path(
    get, path = "/api/order", tag = "order", operation_id = "listOrders", params(ListParameters),
    security(
        ("api_key" = ["read_orders"]), ("X-API-Key" = ["read_orders"]),
        ("api_key" = ["read_all_orders"]), ("X-API-Key" = ["read_all_orders"]),
    ),
    responses(
        (status = 200, description = "The orders", body = [OrderAnswer], example = json!([OrderAnswer::example()])),
        (status = 304, description = "The client's copy is still good"),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not read orders", body = ErrorBody),
        (status = 503, description = "The database cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn list_orders(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &READ)?;
    let asked = Asked::parse(request.query_string())?;
    let key = own(&caller);
    let page = asked.page(key);
    if asked.status.is_none() && !asked.expand {
        let shared = state.reads.page(page).await?;
        let answer = shared.answer(|orders| asked.answer(orders, &[]))?;
        return Ok(asked.respond(&request, answer, &shared.orders));
    }
    let (orders, states) = Box::pin(asked.read(&state, &caller, page)).await?;
    let answer = asked.answer(&orders, &states)?;
    Ok(asked.respond(&request, &answer, &orders))
}

impl Asked {
    fn parse(query: &str) -> Result<Asked, ApiError> {
        let parameters = Parameters::parse(query)?;
        let status = parameters.filled("status").map(|text| {
            let statuses: Result<Vec<OrderStatus>, _> = text.split(',').map(OrderStatus::parse).collect();
            let statuses = statuses.map_err(|problem| paging::invalid("status", &problem.to_string()))?;
            Ok::<_, ApiError>((text.to_owned(), statuses))
        });
        let expand = match parameters.filled("expand") {
            None => false,
            Some("status") => true,
            Some(_) => return Err(paging::invalid("expand", "is status")),
        };
        Ok(Asked {
            limit: parameters.limit()?.unwrap_or(DEFAULT_LIMIT),
            before: parameters.cursor(parse_id)?,
            status: status.transpose()?,
            expand,
        })
    }

    /// One order more than asked for tells whether a next page exists.
    fn page(&self, key: Option<ApiKeyId>) -> Page {
        Page {
            before: self.before,
            limit: self.limit + 1,
            key,
        }
    }

    /// The orders of these states, and their states if they are asked for.
    async fn read(
        &self,
        state: &AppState,
        caller: &Caller,
        page: Page,
    ) -> Result<(Vec<Order>, Vec<Change>), ApiError> {
        let placed_since = first_id_at(caller.snapshot.now() - state.order_open_window);
        let find = async |connection: &mut AsyncPgConnection| -> QueryResult<_> {
            let orders = match &self.status {
                None => queries::orders_before(connection, page).await?,
                Some((_, statuses)) => {
                    let page = ByStatus {
                        statuses,
                        key: page.key,
                        before: page.before,
                        limit: i64::try_from(page.limit).unwrap_or(i64::MAX),
                        placed_since,
                    };
                    let ids = ids_by_status(connection, &page).await?;
                    queries::orders_of(connection, &ids).await?
                }
            };
            let ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
            let states = match self.expand {
                true => present_states(connection, &ids, None).await?,
                false => Vec::new(),
            };
            Ok((orders, states))
        };
        // Of one state of the database: what was filtered is what is shown.
        state.read_one_state("SELECT orders", find).await
    }

    /// The orders that were asked for, without the one more.
    fn answer(&self, orders: &[Order], states: &[Change]) -> Result<Representation, ApiError> {
        let answers: Vec<OrderAnswer<'_>> = orders
            .iter()
            .take(self.limit)
            .map(|order| {
                let status = states.iter().find(|state| state.order_id == order.id);
                OrderAnswer::of(order).with_status(status)
            })
            .collect();
        Ok(Representation::private(to_json(&answers)?))
    }

    fn respond(&self, request: &HttpRequest, answer: &Representation, orders: &[Order]) -> HttpResponse {
        let mut response = answer.respond(request);
        if let (true, [.., last, _]) = (orders.len() > self.limit, orders) {
            let link = paging::next_link(&self.next(last.id));
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    /// The address of the page after the order `last`.
    fn next(&self, last: Uuid) -> String {
        let mut target = format!("/api/order?limit={}&cursor={last}", self.limit);
        if let Some((text, _)) = &self.status {
            target += &format!("&status={text}");
        }
        if self.expand {
            target += "&expand=status";
        }
        target
    }
}
