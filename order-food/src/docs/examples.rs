//! Examples of the errors that many operations share; the others stand beside their handlers.

use utoipa::Modify;
use utoipa::openapi::content::Content;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, RefOr};

use super::operations::of_path;
use crate::http::ApiError;

/// Gives every error without an example of its own one of its status.
pub(super) struct Examples;

impl Modify for Examples {
    fn modify(&self, document: &mut OpenApi) {
        for path in document.paths.paths.values_mut() {
            let allow = allow(path);
            for operation in of_path(path) {
                for (status, response) in &mut operation.responses.responses {
                    let RefOr::T(response) = response else { continue };
                    let Some(RefOr::T(content)) = response.content.get_mut("application/json") else {
                        continue;
                    };
                    if content.example.is_none() && content.examples.is_empty() {
                        show(content, &errors(status, &allow));
                    }
                }
            }
        }
    }
}

/// One example stands for itself; several have names.
fn show(content: &mut Content, errors: &[ApiError]) {
    if let [error] = errors {
        content.example = Some(error.example());
        return;
    }
    let named = |error: &ApiError| {
        let example = ExampleBuilder::new().value(Some(error.example()));
        (error.kind().into(), example.into())
    };
    content.examples = errors.iter().map(named).collect();
}

/// The errors that stand for a status.
fn errors(status: &str, allow: &str) -> Vec<ApiError> {
    match status {
        "400" => vec![ApiError::malformed(
            "invalid_parameter",
            "limit: is a whole number from 1 to 100",
        )],
        "401" => vec![ApiError::Unauthenticated("send an API key in the header api_key")],
        "403" => vec![ApiError::Forbidden("the API key may not do this")],
        "404" => vec![ApiError::NotFound("resource")],
        "408" => vec![ApiError::BodyTimeout],
        "409" => vec![ApiError::KeyInUse],
        "413" => vec![ApiError::BodyTooLarge],
        "415" => vec![ApiError::NotJson],
        "421" => vec![ApiError::OtherCell(7)],
        "429" => vec![ApiError::TooManyRequests {
            caller: "address",
            retry_after_s: 2,
        }],
        "503" => vec![ApiError::Unavailable],
        "default" => vec![
            ApiError::MethodNotAllowed(allow.into()),
            ApiError::HeadersTooLarge,
            ApiError::Internal,
        ],
        _ => Vec::new(),
    }
}

/// The `Allow` header of a path.
fn allow(path: &PathItem) -> String {
    let methods = [
        ("GET, HEAD, ", &path.get),
        ("PUT, ", &path.put),
        ("POST, ", &path.post),
        ("DELETE, ", &path.delete),
        ("PATCH, ", &path.patch),
    ];
    let described = methods.into_iter().filter(|(_, operation)| operation.is_some());
    described.map(|(name, _)| name).collect::<String>() + "OPTIONS"
}
