//! The examples in the API's description: they fit their schemas, they add up, and they are what
//! the server answers.

use serde_json::{Value, json};

use crate::client::Request;
use crate::fixtures::{APITEST, READER};
use crate::harness::{TestApp, keyless_order_request, order_request};

fn document() -> Value {
    serde_json::from_str(&order_food::openapi_json()).unwrap()
}

/// Every example below `node`, with where it stands and the schema that it has to fit.
fn examples(node: &Value, place: &str, found: &mut Vec<(String, Value, Value)>) {
    match node {
        Value::Array(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                examples(node, &format!("{place}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            // Bodies, parameters and headers have a schema; a schema with an example is its own.
            let schema = fields.get("schema").unwrap_or(node);
            if let Some(example) = fields.get("example") {
                found.push((place.into(), schema.clone(), example.clone()));
            }
            for (name, example) in fields
                .get("examples")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                found.push((
                    format!("{place} {name}"),
                    schema.clone(),
                    example["value"].clone(),
                ));
            }
            for (name, node) in fields {
                if !["example", "examples"].contains(&name.as_str()) {
                    examples(node, &format!("{place}/{name}"), found);
                }
            }
        }
        _ => {}
    }
}

fn all_examples() -> Vec<(String, Value, Value)> {
    let mut found = Vec::new();
    examples(&document(), "", &mut found);
    found
}

/// What an operation's body shows: one example, or the one with this name.
fn shown(body: &Value, name: &str) -> Value {
    let content = &body["content"]["application/json"];
    let example = content
        .get("example")
        .unwrap_or(&content["examples"][name]["value"]);
    assert!(example.is_object() || example.is_array(), "{name}: {body}");
    example.clone()
}

fn operation(method: &str, path: &str) -> Value {
    document()["paths"][path][method].clone()
}

fn cents(amount: &Value) -> i64 {
    let text = amount.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

#[test]
fn every_json_body_has_an_example_and_every_example_fits_its_schema() {
    let document = document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            for body in responses.values().chain(operation.get("requestBody")) {
                let content = &body["content"]["application/json"];
                let has_example = content.get("example").is_some() || content.get("examples").is_some();
                assert!(content.is_null() || has_example, "{method} {path}: {body}");
            }
        }
    }

    let examples = all_examples();
    assert!(examples.len() > 50, "{}", examples.len());
    for (place, schema, example) in examples {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": document["components"],
            "allOf": [schema],
        });
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&whole)
            .unwrap();
        if let Err(error) = validator.validate(&example) {
            panic!("{place}: {error} at {}", error.instance_path());
        }
    }
}

#[test]
fn orders_in_examples_add_up() {
    let mut orders: Vec<Value> = Vec::new();
    for (_, _, example) in all_examples() {
        let several = example.as_array().cloned();
        let orders_of_example = several.unwrap_or_else(|| vec![example]).into_iter();
        orders.extend(orders_of_example.filter(|example| example.get("total").is_some()));
    }

    assert_eq!(orders.len(), 3, "placed, read, listed");
    for order in orders {
        let items = order["items"].as_array().unwrap();
        let products = order["products"].as_array().unwrap();
        assert_eq!(items.len(), products.len(), "{order}");
        let lines = items.iter().zip(products).map(|(item, product)| {
            assert_eq!(item["productId"], product["id"], "{order}");
            item["quantity"].as_i64().unwrap() * cents(&product["price"])
        });
        assert_eq!(
            lines.sum::<i64>(),
            cents(&order["total"]) + cents(&order["discounts"]),
            "{order}"
        );
    }
}

#[test]
fn an_example_of_an_error_has_its_own_status_and_the_fields_of_its_type() {
    let document = document();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let mut bodies = Vec::new();
                examples(&response["content"], "", &mut bodies);
                for (_, _, body) in bodies.iter().filter(|(_, _, body)| body.get("code").is_some()) {
                    let what = format!("{method} {path} {status}: {body}");
                    if status == "default" {
                        assert!([405, 431, 500].map(Value::from).contains(&body["code"]), "{what}");
                    } else {
                        assert_eq!(body["code"].to_string(), *status, "{what}");
                    }
                    let unknown = body["type"] == "unknown_product";
                    assert_eq!(body.get("productIds").is_some(), unknown, "{what}");
                    let outcome = body["type"] == "outcome_unknown";
                    assert_eq!(body.get("orderId").is_some(), outcome, "{what}");
                }
            }
        }
    }

    let place = operation("post", "/api/order");
    let unavailable = place["responses"]["503"]["content"]["application/json"]["examples"].as_object();
    let names: Vec<&String> = unavailable.unwrap().keys().collect();
    assert_eq!(names, ["outcome_unknown", "unavailable"]);
}

#[tokio::test]
async fn the_examples_of_orders_and_products_are_what_is_answered() {
    let app = TestApp::start().await;
    let place = operation("post", "/api/order");
    let body = shown(&place["requestBody"], "order");

    let placed = app.post(body.to_string()).await.json();
    let one = format!("/api/order/{}", placed["id"].as_str().unwrap());
    for (answered, method, path) in [
        (placed, "post", "/api/order"),
        (
            app.get_as(APITEST, &one).await.json(),
            "get",
            "/api/order/{orderId}",
        ),
        (
            app.get_as(APITEST, "/api/order").await.json(),
            "get",
            "/api/order",
        ),
        (
            app.get("/api/product?limit=3").await.json(),
            "get",
            "/api/product",
        ),
        (
            app.get("/api/product/1").await.json(),
            "get",
            "/api/product/{productId}",
        ),
        (app.get("/health").await.json(), "get", "/health"),
    ] {
        let mut expected = shown(&operation(method, path)["responses"]["200"], "answer");
        // The id is made anew for each order.
        let mut answered = answered;
        for value in [&mut expected, &mut answered] {
            let order = if path == "/api/order" && method == "get" {
                &mut value[0]
            } else {
                value
            };
            if path.starts_with("/api/order") {
                order["id"].take();
            }
        }
        assert_eq!(answered, expected, "{method} {path}");
    }
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn the_examples_of_errors_are_what_is_answered() {
    let app = TestApp::start().await;
    let get = |target: &str| Request::get(target);
    let order = |product: &str, quantity: u32, coupon: &str| {
        order_request(
            json!({"items": [{"productId": product, "quantity": quantity}], "couponCode": coupon})
                .to_string(),
        )
    };
    let one = "/api/order/019a2f3c-5d80-7b1e-9c44-2f608f0d3a11";
    let unknown = r#"{"items":[{"productId":"42","quantity":1},{"productId":"77","quantity":1}]}"#;
    let text = r#"{"items":[{"productId":"1","quantity":"2"}]}"#;

    for (request, method, path) in [
        (get("/api/product?limit=0"), "get", "/api/product"),
        (get("/api/product/abc"), "get", "/api/product/{productId}"),
        (get("/api/product/77"), "get", "/api/product/{productId}"),
        (get("/api/order"), "get", "/api/order"),
        (
            get("/api/order?limit=0").header("api_key", APITEST),
            "get",
            "/api/order",
        ),
        (
            get("/api/order/1").header("api_key", APITEST),
            "get",
            "/api/order/{orderId}",
        ),
        (get(one).header("api_key", APITEST), "get", "/api/order/{orderId}"),
        (
            get("/health").header("X-Large", "x".repeat(9_000)),
            "get",
            "/health",
        ),
        (Request::new("PUT", "/ready"), "get", "/ready"),
        (Request::new("PUT", "/api/order"), "post", "/api/order"),
        (keyless_order_request("{}"), "post", "/api/order"),
        (
            keyless_order_request("{}").header("api_key", READER),
            "post",
            "/api/order",
        ),
        (order_request("{"), "post", "/api/order"),
        (order_request(text), "post", "/api/order"),
        (order_request(" ".repeat(1024 * 1024 + 1)), "post", "/api/order"),
        (order_request(unknown), "post", "/api/order"),
        (order("1", 1, "NONE"), "post", "/api/order"),
        (order("1", 1001, ""), "post", "/api/order"),
        (
            Request::new("POST", "/api/order")
                .header("api_key", APITEST)
                .header("Content-Type", "text/plain")
                .body("{}"),
            "post",
            "/api/order",
        ),
    ] {
        let answer = app.send(&request).await;
        let operation = operation(method, path);
        let responses = &operation["responses"];
        let status = answer.status().to_string();
        let response = responses.get(&status).unwrap_or(&responses["default"]);
        let mut expected = shown(response, &answer.member("type"));
        let mut answered = answer.json();
        for body in [&mut expected, &mut answered] {
            body["requestId"].take();
        }
        assert_eq!(answered, expected, "{} {}", request.method, request.target);
    }
    assert_eq!(app.order_count().await, 0);
}
