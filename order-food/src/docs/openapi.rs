//! The frame of the description, and the parts that every operation shares.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::examples::Examples;
use super::headers::Headers;
use super::operations::{of_path, operations};

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
        (name = "report", description = "Sales reports and exports; need an API key with view_reports"),
        (name = "job", description = "Background jobs of an API key"),
        (name = "operations", description = "Probes and metrics"),
        (name = "description", description = "This description"),
    ),
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

/// The errors that any operation may answer besides its own.
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

/// The error that the API may answer while rate limits are on.
struct RateLimits;

impl Modify for RateLimits {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let too_many = error("The address or the API key asks too often");
        for (path, operations) in &mut document.paths.paths {
            if path.starts_with("/api/") {
                for operation in of_path(operations) {
                    let responses = &mut operation.responses.responses;
                    responses.insert("429".into(), RefOr::T(too_many.clone()));
                }
            }
        }
    }
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

/// The whole description of these operations: with title, API keys, errors that any operation may
/// answer, examples and headers.
pub(crate) fn describe(operations: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi().merge_from(operations);
    // In this order: examples and headers also go to the errors of every operation.
    let modifiers: [&dyn Modify; 5] = [&ApiKeys, &EveryError, &RateLimits, &Examples, &Headers];
    for modifier in modifiers {
        modifier.modify(&mut document);
    }
    document
}
