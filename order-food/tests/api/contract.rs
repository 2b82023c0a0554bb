//! Every answer of every test against the API's own description; and the description itself.

use std::collections::HashMap;
use std::sync::OnceLock;

use jsonschema::Validator;

use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::harness::TestApp;

/// Statuses that any operation may answer without naming them: `default` describes them.
const ANY_OPERATION: [u16; 3] = [405, 431, 500];

/// Headers that are described on every response that may have them; true: that always has them.
const HEADERS: [(&str, bool); 7] = [
    ("X-Request-ID", true),
    ("WWW-Authenticate", true),
    ("Retry-After", true),
    ("ETag", true),
    ("Allow", false),
    ("Last-Modified", false),
    ("Link", false),
];

/// The document, ready to be looked up in.
struct Contract {
    document: Value,
    /// By JSON text of the schema.
    validators: HashMap<String, Validator>,
}

/// Fails the test when the answer is not what the description says.
pub(crate) fn check(request: &Request, answer: &Answer) {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    let contract = CONTRACT.get_or_init(Contract::read);
    let what = format!("{} {} → {answer:?}", request.method, request.target);
    assert!(answer.header("x-request-id").is_some(), "{what}");
    if request.method == "HEAD" {
        assert!(answer.bytes().is_empty(), "{what}");
    } else if answer.status() >= 400 && answer.header("content-type") == Some("text/html; charset=utf-8") {
        check_error_page(request, answer, &what);
    } else if answer.status() >= 400 && !request.target.starts_with("/ready") {
        check_error(answer, &what);
    }
    if request.method == "OPTIONS" && answer.status() == 204 {
        assert!(answer.bytes().is_empty(), "{what}");
        return;
    }
    match contract.responses(request) {
        None if is_page(request) => {}
        None => assert!([404, 431].contains(&answer.status()), "{what}"),
        Some(responses) => contract.check_response(responses, request, answer, &what),
    }
}

/// Whether the request goes to a page for people, which the description leaves out.
fn is_page(request: &Request) -> bool {
    let path = request.target.split('?').next().unwrap().trim_matches('/');
    let pages = ["", "docs", "cart", "checkout", "order", "orders", "assets"];
    pages.contains(&path.split('/').next().unwrap())
}

/// What error pages have in common: of two faces of one error, this is the one for browsers.
fn check_error_page(request: &Request, answer: &Answer, what: &str) {
    let accepts = |(name, value): &(String, Vec<u8>)| {
        name.eq_ignore_ascii_case("accept") && String::from_utf8_lossy(value).contains("text/html")
    };
    assert!(request.headers.iter().any(accepts), "{what}");
    assert!(!request.target.starts_with("/api/"), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    let waits = [409, 429, 503].contains(&answer.status());
    assert_eq!(answer.header("retry-after").is_some(), waits, "{what}");
}

/// What all errors have in common.
fn check_error(answer: &Answer, what: &str) {
    let body = answer.json();
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    assert_eq!(body["code"], answer.status(), "{what}");
    assert_eq!(
        body["requestId"].as_str(),
        answer.header("x-request-id"),
        "{what}"
    );
    let kind = body["type"].as_str().unwrap();
    let snake_case = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    assert!(!kind.is_empty() && kind.bytes().all(snake_case), "{what}");
    assert!(!body["message"].as_str().unwrap().is_empty(), "{what}");
    let required = |statuses: &[u16], header| {
        assert_eq!(
            statuses.contains(&answer.status()),
            answer.header(header).is_some(),
            "{header}: {what}"
        );
    };
    required(&[401], "www-authenticate");
    required(&[405], "allow");
    required(&[409, 429, 503], "retry-after");
}

impl Contract {
    fn read() -> Contract {
        let mut document: Value = serde_json::from_str(&order_food::openapi_json()).unwrap();
        // Stricter than for clients: a field that is not described is a mistake.
        for schema in document["components"]["schemas"]
            .as_object_mut()
            .unwrap()
            .values_mut()
        {
            if schema.get("properties").is_some() {
                schema["additionalProperties"] = json!(false);
            }
        }
        let mut contract = Contract {
            validators: HashMap::new(),
            document,
        };
        let mut schemas = Vec::new();
        for path in contract.document["paths"].as_object().unwrap().values() {
            for operation in path.as_object().unwrap().values() {
                for response in operation["responses"].as_object().unwrap().values() {
                    let content = response.get("content").and_then(Value::as_object);
                    schemas.extend(
                        content
                            .into_iter()
                            .flat_map(|content| content.values())
                            .map(|content| content["schema"].clone()),
                    );
                }
            }
        }
        for schema in schemas {
            let mut whole = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": contract.document["components"],
            });
            whole["allOf"] = json!([schema]);
            let validator = jsonschema::draft202012::new(&whole).unwrap();
            contract.validators.insert(schema.to_string(), validator);
        }
        contract
    }

    /// What the operation may answer; of another method than described, what the path's first one
    /// may.
    fn responses(&self, request: &Request) -> Option<&Value> {
        let path = request.target.split('?').next().unwrap().trim_end_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        let matches = |template: &&String| {
            let template: Vec<&str> = template.split('/').collect();
            let same = |(wanted, segment): (&&str, &&str)| wanted.starts_with('{') || wanted == segment;
            template.len() == segments.len() && template.iter().zip(&segments).all(same)
        };
        let paths = self.document["paths"].as_object()?;
        let operations = paths[paths.keys().find(matches)?].as_object()?;
        let method = request.method.to_lowercase().replace("head", "get");
        let operation = operations.get(&method).or_else(|| operations.values().next())?;
        Some(&operation["responses"])
    }

    fn check_response(&self, responses: &Value, request: &Request, answer: &Answer, what: &str) {
        let described = responses.get(answer.status().to_string());
        let response = described
            .or_else(|| {
                responses
                    .get("default")
                    .filter(|_| ANY_OPERATION.contains(&answer.status()))
            })
            .unwrap_or_else(|| panic!("not described: {what}"));
        for (header, always) in HEADERS {
            let described = response["headers"].get(header).is_some();
            let sent = answer.header(header).is_some();
            assert!(described || !sent, "{header} is not described: {what}");
            assert!(sent || !described || !always, "{header} is not sent: {what}");
        }
        let Some(content) = response.get("content") else {
            assert!(answer.bytes().is_empty(), "{what}");
            return;
        };
        let media_type = answer.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap();
        let described = content
            .get(media_type)
            .unwrap_or_else(|| panic!("{media_type} is not described: {what}"));
        if media_type != "application/json" || request.method == "HEAD" || is_compressed(answer) {
            return;
        }
        let validator = &self.validators[&described["schema"].to_string()];
        if let Err(error) = validator.validate(&answer.json()) {
            panic!("{error} at {}: {what}", error.instance_path());
        }
    }
}

fn is_compressed(answer: &Answer) -> bool {
    answer.header("content-encoding").is_some()
}

#[test]
fn the_description_is_valid_openapi_3_1() {
    use roas::v3_1::spec::Spec;
    use roas::validation::{Options, Validate};

    let spec: Spec = serde_json::from_str(&order_food::openapi_json()).unwrap();

    spec.validate(Options::new(), None).unwrap();
    assert!(order_food::openapi_json().contains("\"openapi\": \"3.1."));
}

#[test]
fn the_copies_in_docs_are_what_the_program_prints() {
    let copy = |name: &str| {
        std::fs::read_to_string(format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_default()
    };

    // Compared as documents: which order the members of examples have is a feature of serde_json,
    // which other packages of the workspace may switch on.
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert!(
        json(&copy("openapi.json")) == json(&order_food::openapi_json()),
        "run `make openapi`"
    );
    let yaml = |text: &str| yaml_serde::from_str::<Value>(text).unwrap();
    assert!(
        yaml(&copy("openapi.yaml")) == yaml(&order_food::openapi_yaml()),
        "run `make openapi`"
    );
}

#[tokio::test]
async fn the_description_is_served_in_both_forms() {
    let app = TestApp::start().await;

    let json = app.get("/openapi.json").await;
    let yaml = app.get("/openapi.yaml").await;

    assert_eq!(json.text(), order_food::openapi_json());
    assert_eq!(yaml.text(), order_food::openapi_yaml());
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
}

#[test]
fn every_operation_has_an_id_a_tag_and_its_callers() {
    let document: Value = serde_json::from_str(&order_food::openapi_json()).unwrap();

    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(operation["operationId"].is_string(), "{what}");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{what}");
            let security = operation.get("security").and_then(Value::as_array);
            let is_public = !path.starts_with("/api/") || path.starts_with("/api/product");
            assert_eq!(security.is_none(), is_public, "{what}");
            let either_header = |header: &str| {
                let alternatives = security.into_iter().flatten();
                let scopes = alternatives.filter_map(|alternative| alternative.get(header));
                scopes.collect::<Vec<_>>()
            };
            assert_eq!(either_header("api_key"), either_header("X-API-Key"), "{what}");
            assert!(operation["responses"]["default"].is_object(), "{what}");
        }
    }
}

#[test]
fn the_description_leaves_out_the_page_for_people() {
    let document: Value = serde_json::from_str(&order_food::openapi_json()).unwrap();

    for path in document["paths"].as_object().unwrap().keys() {
        let is_described = path.starts_with("/api/") || !is_page(&Request::get(path));
        assert!(is_described, "{path}");
    }
    assert_eq!(document["info"]["license"], json!({"name": "MIT OR Apache-2.0"}));
}
