use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::{health, orders, products};

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
        (name = "operations", description = "Probes"),
    ),
    paths(
        products::handlers::list_products,
        products::handlers::get_product,
        orders::handlers::place_order,
        orders::handlers::list_orders,
        orders::handlers::get_order,
        health::handlers::health,
        health::handlers::ready,
    ),
    modifiers(&ApiKeys),
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

/// The description as JSON.
pub fn json() -> String {
    Description::openapi().to_pretty_json().unwrap_or_default() + "\n"
}

/// The description as YAML.
pub fn yaml() -> String {
    Description::openapi().to_yaml().unwrap_or_default()
}
