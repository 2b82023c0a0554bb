use actix_web::body::MessageBody;
use serde_json::{Value, json};
use utoipa::Modify;
use utoipa::openapi::content::Content;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{OpenApi, RefOr};
use uuid::Uuid;

use super::openapi::operations;
use crate::http::ApiError;

/// Gives every JSON body a whole example: parts that are each right would not add up.
pub(super) struct Examples;

const ORDER_ID: Uuid = Uuid::from_u128(0x019a_2f3c_5d80_7b1e_9c44_2f60_8f0d_3a11);
const REQUEST_ID: &str = "0b0e5c3e-6f0f-4f43-9e0e-6a2f1f3c9d10";

impl Modify for Examples {
    fn modify(&self, document: &mut OpenApi) {
        for operation in operations(document) {
            let id = operation.operation_id.clone().unwrap_or_default();
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.content
                    .values_mut()
                    .for_each(|content| show(content, vec![("order", order_request())]));
            }
            for (status, response) in &mut operation.responses.responses {
                let RefOr::T(response) = response else { continue };
                let examples = match answer(&id, status) {
                    Some(answer) => vec![("answer", answer)],
                    None => errors(&id, status).iter().filter_map(error).collect(),
                };
                if let Some(content) = response.content.get_mut("application/json") {
                    show(content, examples);
                }
            }
        }
    }
}

/// One example stands for itself; several have names.
fn show(content: &mut RefOr<Content>, mut examples: Vec<(&'static str, Value)>) {
    let RefOr::T(content) = content else { return };
    if examples.len() == 1 {
        content.example = examples.pop().map(|(_, value)| value);
        return;
    }
    content.examples = examples
        .into_iter()
        .map(|(name, value)| (name.into(), ExampleBuilder::new().value(Some(value)).into()))
        .collect();
}

/// What an operation answers when it is not an error.
fn answer(operation: &str, status: &str) -> Option<Value> {
    let answer = match (operation, status) {
        ("placeOrder" | "getOrder", "200") => order(),
        ("listOrders", "200") => json!([order()]),
        ("getProduct", "200") => waffle(),
        ("listProducts", "200") => json!([
            waffle(),
            {"id": "2", "name": "Belgian Waffle", "price": 10.99, "category": "Waffle"},
            pancakes(),
        ]),
        ("health", "200") => json!({"status": "healthy"}),
        ("ready", "200") => {
            json!({"status": "ready", "products": 10, "publishedAt": "2023-11-14T22:13:20+00:00"})
        }
        ("ready", "503") => json!({"status": "not_ready", "reason": "no data version is active yet"}),
        ("openapiJson", "200") => {
            json!({"openapi": "3.1.0", "info": {"title": "order-food API", "version": "0.1.0"}, "paths": {}})
        }
        _ => return None,
    };
    Some(answer)
}

fn order_request() -> Value {
    json!({
        "items": [{"productId": "1", "quantity": 2}, {"productId": "3", "quantity": 1}],
        "couponCode": "SAVE10",
    })
}

/// The answer to `order_request`: 2 × 12.99 + 9.99 = 35.97, less 10 %.
fn order() -> Value {
    json!({
        "id": ORDER_ID,
        "items": [{"productId": "1", "quantity": 2}, {"productId": "3", "quantity": 1}],
        "products": [waffle(), pancakes()],
        "couponCode": "SAVE10",
        "total": 32.37,
        "discounts": 3.60,
    })
}

fn waffle() -> Value {
    json!({"id": "1", "name": "Chicken Waffle", "price": 12.99, "category": "Waffle"})
}

fn pancakes() -> Value {
    json!({"id": "3", "name": "Blueberry Pancakes", "price": 9.99, "category": "Pancakes"})
}

/// The errors that stand for a status of an operation.
fn errors(operation: &str, status: &str) -> Vec<ApiError> {
    match (status, operation) {
        ("400", "placeOrder") => vec![
            ApiError::malformed(
                "malformed_json",
                "the request body cannot be read: EOF while parsing an object at line 1 column 1",
            ),
            ApiError::malformed(
                "wrong_type",
                "the request body cannot be read: quantity: expected a whole number, not \"2\" at line 1 column 42",
            ),
        ],
        ("400", "getOrder") => vec![ApiError::malformed("invalid_order_id", "an order id is a UUID")],
        ("400", "getProduct") => vec![ApiError::malformed("invalid_product_id", shop::NotAProductId)],
        ("400", _) => vec![ApiError::malformed(
            "invalid_parameter",
            "limit: is a whole number from 1 to 100",
        )],
        ("401", _) => vec![ApiError::Unauthenticated("send an API key in the header api_key")],
        ("403", _) => vec![ApiError::Forbidden("the API key may not do this")],
        ("404", "getOrder") => vec![ApiError::NotFound("order")],
        ("404", "getProduct") => vec![ApiError::NotFound("product")],
        ("404", _) => vec![ApiError::NotFound("resource")],
        ("408", _) => vec![ApiError::BodyTimeout],
        ("409", _) => vec![ApiError::KeyInUse],
        ("413", _) => vec![ApiError::BodyTooLarge],
        ("415", _) => vec![ApiError::NotJson],
        ("422", _) => vec![
            rejected(
                "unknown_product",
                "there are no products with the ids 42, 77",
                &["42", "77"],
            ),
            rejected("coupon_unknown", "the coupon code is not known", &[]),
            rejected(
                "idempotency_key_reused",
                "this Idempotency-Key was used for another request",
                &[],
            ),
            rejected(
                "quantity_out_of_range",
                "the quantity of product 1 is outside 1 to 1000",
                &[],
            ),
        ],
        ("429", _) => vec![ApiError::TooManyRequests {
            whose: "address",
            retry_after_s: 2,
        }],
        ("503", "placeOrder") => vec![ApiError::Unavailable, ApiError::OutcomeUnknown(ORDER_ID)],
        ("503", _) => vec![ApiError::Unavailable],
        ("default", _) => vec![
            ApiError::MethodNotAllowed(match operation {
                "placeOrder" | "listOrders" => "GET, HEAD, POST, OPTIONS",
                _ => "GET, HEAD, OPTIONS",
            }),
            ApiError::HeadersTooLarge,
            ApiError::Internal,
        ],
        _ => Vec::new(),
    }
}

fn rejected(kind: &'static str, message: &str, product_ids: &[&str]) -> ApiError {
    ApiError::Rejected {
        kind,
        message: message.into(),
        product_ids: product_ids.iter().map(|id| (*id).into()).collect(),
    }
}

/// The name of an error and the body that is answered for it.
fn error(error: &ApiError) -> Option<(&'static str, Value)> {
    let body = error.response(REQUEST_ID).into_body().try_into_bytes().ok()?;
    Some((error.kind(), serde_json::from_slice(&body).ok()?))
}
