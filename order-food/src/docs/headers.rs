//! The headers of answers.

use serde_json::{Value, json};
use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ObjectBuilder, OpenApi, Ref, RefOr, Type};

use super::operations::operations;
use crate::http::EXAMPLE_REQUEST_ID;

/// Describes each header once, and names it on every answer that carries it.
pub(super) struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, value_type, description, example) in described() {
            let header = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(value_type)))
                .description(Some(description))
                .example(Some(example))
                .build();
            components.headers.insert(name.into(), RefOr::T(header));
        }
        for operation in operations(document) {
            describe(operation);
        }
    }
}

fn described() -> [(&'static str, Type, &'static str, Value); 8] {
    [
        (
            "X-Request-ID",
            Type::String,
            "The id that the client sent, if it has 1 to 128 printable ASCII characters, else a new one",
            json!(EXAMPLE_REQUEST_ID),
        ),
        (
            "WWW-Authenticate",
            Type::String,
            "Where the API key belongs",
            json!(r#"ApiKey realm="order-food", header="api_key""#),
        ),
        (
            "Retry-After",
            Type::Integer,
            "Seconds to wait before the next try",
            json!(1),
        ),
        (
            "Allow",
            Type::String,
            "With 405: the methods that are answered",
            json!("GET, HEAD, OPTIONS"),
        ),
        (
            "ETag",
            Type::String,
            "For If-None-Match; strong, each encoding has its own",
            json!(r#""8f434346648f6b96df89dda901c5176b""#),
        ),
        (
            "Last-Modified",
            Type::String,
            "When the catalogue was published, for If-Modified-Since",
            json!("Tue, 14 Nov 2023 22:13:20 GMT"),
        ),
        (
            "Vary",
            Type::String,
            "The request headers that the answer depends on",
            json!("Accept-Encoding"),
        ),
        (
            "Link",
            Type::String,
            "Of a list: the next page, if more follow. Of an order: its status",
            json!(r#"</api/product?limit=3&cursor=3>; rel="next""#),
        ),
    ]
}

fn describe(operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    let tags = operation.tags.clone().unwrap_or_default();
    let changes_status = matches!(id.as_str(), "putOrderStatus" | "cancelOrder");
    let responses = &mut operation.responses.responses;
    let revalidates = responses.contains_key("304");
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        let mut names = vec!["X-Request-ID"];
        match status.as_str() {
            "200" | "304" if revalidates => {
                names.extend(["ETag", "Vary"]);
                if tags.iter().any(|tag| tag == "product") {
                    names.push("Last-Modified");
                }
                if id.starts_with("list") || id == "getOrder" {
                    names.push("Link");
                }
            }
            "200" if id == "placeOrder" => names.push("Link"),
            "200" | "412" if changes_status => names.push("ETag"),
            "401" => names.push("WWW-Authenticate"),
            // Probes of `/ready` have an interval of their own.
            "503" if id != "ready" => names.push("Retry-After"),
            "409" | "429" => names.push("Retry-After"),
            "default" => names.push("Allow"),
            _ => {}
        }
        for name in names {
            let reference = Ref::new(format!("#/components/headers/{name}"));
            response.headers.insert(name.into(), RefOr::Ref(reference));
        }
    }
}
