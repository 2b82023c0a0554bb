use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::examples::Examples;
use super::headers::Headers;
use crate::{docs, health, metrics, orders, products};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "order-food API",
        description = "Products, coupons and orders of a restaurant group. An answered order is stored on disk.",
        license(name = "MIT OR Apache-2.0"),
    ),
    servers((url = "/")),
    tags(
        (name = "product", description = "The catalogue; public"),
        (name = "order", description = "Orders; need an API key"),
        (name = "operations", description = "Probes and metrics"),
        (name = "description", description = "This description"),
    ),
    paths(
        products::handlers::list_products,
        products::handlers::get_product,
        orders::handlers::place_order,
        orders::handlers::list_orders,
        orders::handlers::get_order,
        health::handlers::health,
        health::handlers::ready,
        metrics::metrics,
        docs::openapi_json,
        docs::openapi_yaml,
    ),
    // In this order: examples and headers also go to the errors that every operation may answer.
    modifiers(&ApiKeys, &EveryError, &RateLimits, &Examples, &Headers),
)]
struct Description;

/// The two headers that may carry the API key.
struct ApiKeys;

impl Modify for ApiKeys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, description) in [
            ("api_key", "The API key"),
            (
                "X-API-Key",
                "The API key, for proxies that drop header names with an underscore",
            ),
        ] {
            let header = ApiKeyValue::with_description(name, description);
            components.add_security_scheme(name, SecurityScheme::ApiKey(ApiKey::Header(header)));
        }
    }
}

/// What any operation may answer besides its own.
struct EveryError;

impl Modify for EveryError {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let other =
            error("405 for another method, 431 for headers beyond 8,000 bytes, 500 when the fault is ours");
        for operation in operations(document) {
            let responses = &mut operation.responses.responses;
            responses.insert("default".into(), RefOr::T(other.clone()));
        }
    }
}

/// What the API may answer while rate limits are on.
struct RateLimits;

impl Modify for RateLimits {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let too_many = error("The address or the API key asks too often");
        for (path, operations) in &mut document.paths.paths {
            if path.starts_with("/api/") {
                for operation in operations_of(operations) {
                    let responses = &mut operation.responses.responses;
                    responses.insert("429".into(), RefOr::T(too_many.clone()));
                }
            }
        }
    }
}

/// Every operation of the description.
pub(super) fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(operations_of)
}

fn operations_of(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    path.get.iter_mut().chain(path.post.iter_mut())
}

/// An error, described.
fn error(description: &str) -> Response {
    ResponseBuilder::new()
        .description(description)
        .content(
            "application/json",
            Content::new(Some(Ref::from_schema_name("ErrorBody"))),
        )
        .build()
}

/// The description as JSON.
pub fn json() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default() + "\n"
}

/// The description as YAML.
pub fn yaml() -> String {
    Description::openapi().to_yaml().unwrap_or_default()
}
