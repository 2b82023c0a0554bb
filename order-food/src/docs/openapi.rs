use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::page;
use crate::{docs, health, metrics, orders, products};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "order-food",
        description = "Products, coupons and orders of a restaurant group. An answered order is stored on disk.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/")),
    tags(
        (name = "product", description = "The catalogue; public"),
        (name = "order", description = "Orders; need an API key"),
        (name = "operations", description = "Probes and metrics"),
        (name = "description", description = "This description, and the page that shows it"),
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
        page::index,
        page::file,
    ),
    modifiers(&ApiKeys, &EveryError),
)]
struct Description;

/// The header that carries the API key.
struct ApiKeys;

impl Modify for ApiKeys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let description = "The API key; the header X-API-Key is its equal.";
        let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "api_key",
            description,
        )));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("api_key", header);
    }
}

/// What any operation may answer besides its own.
struct EveryError;

impl Modify for EveryError {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let other = ResponseBuilder::new()
            .description(
                "405 for another method, 431 for headers beyond 8,000 bytes, 500 when the fault is ours",
            )
            .content(
                "application/json",
                Content::new(Some(Ref::from_schema_name("ErrorBody"))),
            )
            .build();
        for path in document.paths.paths.values_mut() {
            let operations: [&mut Option<Operation>; 2] = [&mut path.get, &mut path.post];
            for operation in operations.into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                responses.insert("default".into(), RefOr::T(other.clone()));
            }
        }
    }
}

/// The description as JSON.
pub fn json() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default() + "\n"
}

/// The description as YAML.
pub fn yaml() -> String {
    Description::openapi().to_yaml().unwrap_or_default()
}
