use serde_json::{Value, json};
use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, OpenApi, Ref, RefOr, Required, Type};

use super::openapi::operations;

/// Describes each header once, and names it on every answer that carries it; those of requests stand with their operation.
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
            json!("0b0e5c3e-6f0f-4f43-9e0e-6a2f1f3c9d10"),
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
            "The next page, if more follow",
            json!(r#"</api/product?limit=3&cursor=3>; rel="next""#),
        ),
    ]
}

/// The header that makes a repeated order harmless.
fn idempotency_key() -> Parameter {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[ -~]+$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Names the request, 1 to 255 printable ASCII characters. For 24 hours the same key with the same body is \
             answered with the bytes of its first 200 and places no other order. Each API key has keys of its own",
        ))
        .schema(Some(key))
        .example(Some(json!("1f0c2a1e-6f0f-4f43-9e0e-6a2f1f3c9d10")))
        .build()
}

fn describe(operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    if id == "placeOrder" {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(RefOr::T(idempotency_key()));
    }
    let tags = operation.tags.clone().unwrap_or_default();
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
                if id.starts_with("list") {
                    names.push("Link");
                }
            }
            "401" => names.push("WWW-Authenticate"),
            // Who probes `/ready` has an interval of its own.
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
