//! Errors as clients see them: status, type, message, JSON body.

use std::fmt;

use actix_web::body::MessageBody;
use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use job_queue::QueueFull;
use serde::Serialize;
use shop::OrderStatus;
use utoipa::ToSchema;
use uuid::Uuid;

/// The request id of examples.
pub(crate) const EXAMPLE_REQUEST_ID: &str = "0b0e5c3e-6f0f-4f43-9e0e-6a2f1f3c9d10";

/// Everything that is not a success, as the client sees it. The cause is logged once, where it is
/// known, and never sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// 400: the request itself cannot be understood.
    #[error("{message}")]
    Malformed {
        /// Snake-case name of the problem.
        kind: &'static str,
        /// The problem, for the author of the client.
        message: String,
    },
    /// 401: no usable API key was sent.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// 403: the key is unknown, expired, revoked, or may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 404: no such route or row.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// 405: the resource has other methods.
    #[error("this resource answers {0} only")]
    MethodNotAllowed(String),
    /// 408: the body did not arrive in time.
    #[error("the request body did not arrive in time")]
    BodyTimeout,
    /// 409: a request with the same Idempotency-Key is in progress.
    #[error("a request with this Idempotency-Key is still in progress; repeat it for its answer")]
    KeyInUse,
    /// 409 with Retry-After: the resource is in a state that does not allow this.
    #[error("{message}")]
    Conflict {
        /// Snake-case name of the problem.
        kind: &'static str,
        /// What stands in the way.
        message: &'static str,
    },
    /// 409: the status of the order does not allow this change.
    #[error("an order that is {status} does not become {to}")]
    TransitionNotAllowed {
        /// What it is.
        status: OrderStatus,
        /// What was asked for.
        to: OrderStatus,
        /// What the caller may change it into.
        allowed: Vec<OrderStatus>,
    },
    /// 412 with the ETag of this version: the order has another one than those of If-Match.
    #[error("the order was changed meanwhile; it has version {0}")]
    StatusChanged(i32),
    /// 413: the body is larger than 1 MiB.
    #[error("the request body is larger than {} bytes", super::body::LIMIT)]
    BodyTooLarge,
    /// 415: the body is not JSON as UTF-8 without encoding.
    #[error("the request body must be application/json without a content encoding")]
    NotJson,
    /// 415: the body is no form.
    #[error("the request body must be application/x-www-form-urlencoded without a content encoding")]
    NotForm,
    /// 421: not here; the id is that of another cell.
    #[error("the order, if there is one, is in cell {0}")]
    OtherCell(u16),
    /// 422: well-formed, but a rule of the shop says no.
    #[error("{message}")]
    Rejected {
        /// Snake-case name of the rule.
        kind: &'static str,
        /// What is wrong.
        message: String,
        /// The product ids that are unknown, where that is the rule.
        product_ids: Vec<String>,
    },
    /// 429 with Retry-After: this API key or this address asks too often.
    #[error("too many requests from this {caller}; try again in {retry_after_s} s")]
    TooManyRequests {
        /// `API key` or `address`.
        caller: &'static str,
        /// Whole seconds until the next request is answered, at least 1.
        retry_after_s: u64,
    },
    /// 431: the header section is larger than 8,000 bytes.
    #[error("the request's headers are larger than {} bytes", super::MAX_HEADER_BYTES)]
    HeadersTooLarge,
    /// 500: our fault.
    #[error("something went wrong on our side")]
    Internal,
    /// 503 with Retry-After: not done, safe to repeat.
    #[error("the service cannot do this right now; nothing was stored, try again")]
    Unavailable,
    /// 503 with Retry-After: the API keys could not be read for too long to trust any.
    #[error("the API keys cannot be checked right now; try again")]
    KeysStale,
    /// 503 with Retry-After: no place is set where exports could be written.
    #[error("exports are not configured here")]
    ExportsNotConfigured,
    /// 503 with Retry-After: as many jobs wait as may.
    #[error("too many jobs are waiting already; nothing was enqueued, try again later")]
    QueueFull,
    /// 503 with Retry-After: as many streams are open as there may be.
    #[error("too many streams are open already; read the status instead, or try again later")]
    TooManyStreams,
    /// 503 with Retry-After: the order may have been stored, ask for it by its id.
    #[error("whether the order was stored is not known yet; ask for it by its id before ordering again")]
    OutcomeUnknown(Uuid),
    /// 503 with Retry-After: the status of the order may have been changed, repeat the request.
    #[error("whether the order was changed is not known yet; repeat the request")]
    ChangeUnknown(Uuid),
}

/// The body of every answer with a 4xx or 5xx status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorBody<'a> {
    /// The HTTP status.
    code: u16,
    /// Name of the problem, for programs.
    r#type: &'a str,
    /// The problem in words, for people.
    message: String,
    /// The request's id, as in the header X-Request-ID.
    request_id: &'a str,
    /// With `unknown_product`: every id that is not in the catalogue.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    product_ids: &'a [String],
    /// With `outcome_unknown`: the id that the order has if it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<Uuid>,
    /// With `transition_not_allowed`: the status that the order has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    status: Option<&'static str>,
    /// With `transition_not_allowed`: what this API key may change it into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false, nullable = false)]
    allowed: Option<Vec<&'static str>>,
    /// With `other_cell`: the number of the cell to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, minimum = 0, maximum = 1023)]
    cell: Option<u16>,
}

impl ApiError {
    /// The request cannot be understood.
    pub(crate) fn malformed(kind: &'static str, message: impl fmt::Display) -> ApiError {
        ApiError::Malformed {
            kind,
            message: message.to_string(),
        }
    }

    /// A rule says no.
    pub(crate) fn rejected(kind: &'static str, message: impl fmt::Display) -> ApiError {
        ApiError::Rejected {
            kind,
            message: message.to_string(),
            product_ids: Vec::new(),
        }
    }

    /// The snake-case name of the problem.
    pub(crate) fn kind(&self) -> &'static str {
        self.described().1
    }

    /// Status, name of the problem, and the seconds of Retry-After: where a repetition may succeed.
    fn described(&self) -> (StatusCode, &'static str, Option<u64>) {
        use StatusCode as Is;
        match self {
            ApiError::Malformed { kind, .. } => (Is::BAD_REQUEST, kind, None),
            ApiError::Unauthenticated(_) => (Is::UNAUTHORIZED, "unauthenticated", None),
            ApiError::Forbidden(_) => (Is::FORBIDDEN, "forbidden", None),
            ApiError::NotFound(_) => (Is::NOT_FOUND, "not_found", None),
            ApiError::MethodNotAllowed(_) => (Is::METHOD_NOT_ALLOWED, "method_not_allowed", None),
            ApiError::BodyTimeout => (Is::REQUEST_TIMEOUT, "request_timeout", None),
            ApiError::KeyInUse => (Is::CONFLICT, "idempotency_key_in_use", Some(1)),
            ApiError::Conflict { kind, .. } => (Is::CONFLICT, kind, Some(1)),
            ApiError::TransitionNotAllowed { .. } => (Is::CONFLICT, "transition_not_allowed", Some(1)),
            ApiError::StatusChanged(_) => (Is::PRECONDITION_FAILED, "status_changed", None),
            ApiError::BodyTooLarge => (Is::PAYLOAD_TOO_LARGE, "payload_too_large", None),
            ApiError::NotJson | ApiError::NotForm => {
                (Is::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", None)
            }
            ApiError::OtherCell(_) => (Is::MISDIRECTED_REQUEST, "other_cell", None),
            ApiError::Rejected { kind, .. } => (Is::UNPROCESSABLE_ENTITY, kind, None),
            ApiError::TooManyRequests { retry_after_s, .. } => {
                (Is::TOO_MANY_REQUESTS, "too_many_requests", Some(*retry_after_s))
            }
            ApiError::HeadersTooLarge => (
                Is::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "request_header_fields_too_large",
                None,
            ),
            ApiError::Internal => (Is::INTERNAL_SERVER_ERROR, "internal", None),
            ApiError::Unavailable => (Is::SERVICE_UNAVAILABLE, "unavailable", Some(1)),
            ApiError::KeysStale => (Is::SERVICE_UNAVAILABLE, "keys_stale", Some(1)),
            ApiError::ExportsNotConfigured => (Is::SERVICE_UNAVAILABLE, "exports_not_configured", Some(300)),
            ApiError::QueueFull => {
                let wait = QueueFull::RETRY_AFTER.as_secs();
                (Is::SERVICE_UNAVAILABLE, "queue_full", Some(wait))
            }
            ApiError::TooManyStreams => (Is::SERVICE_UNAVAILABLE, "too_many_streams", Some(5)),
            ApiError::OutcomeUnknown(_) | ApiError::ChangeUnknown(_) => {
                (Is::SERVICE_UNAVAILABLE, "outcome_unknown", Some(1))
            }
        }
    }

    /// The body as an example for the API's description.
    pub(crate) fn example(&self) -> serde_json::Value {
        let body = self.response(EXAMPLE_REQUEST_ID).into_body().try_into_bytes();
        body.ok()
            .and_then(|body| serde_json::from_slice(&body).ok())
            .unwrap_or_default()
    }

    /// The answer, with the id of the request that it belongs to.
    pub(crate) fn response(&self, request_id: &str) -> HttpResponse {
        let (status, kind, retry_after_s) = self.described();
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        let mut body = ErrorBody {
            code: status.as_u16(),
            r#type: kind,
            message: self.to_string(),
            request_id,
            product_ids: &[],
            order_id: None,
            status: None,
            allowed: None,
            cell: None,
        };
        match self {
            ApiError::Unauthenticated(_) => {
                let challenge = r#"ApiKey realm="order-food", header="api_key""#;
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            ApiError::MethodNotAllowed(allow) => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            ApiError::StatusChanged(version) => {
                response.insert_header((header::ETAG, format!("\"{version}\"")));
            }
            ApiError::Rejected { product_ids, .. } => body.product_ids = product_ids,
            ApiError::OutcomeUnknown(id) | ApiError::ChangeUnknown(id) => body.order_id = Some(*id),
            ApiError::OtherCell(cell) => body.cell = Some(*cell),
            ApiError::TransitionNotAllowed { status, allowed, .. } => {
                body.status = Some(status.name());
                body.allowed = Some(allowed.iter().map(|status| status.name()).collect());
            }
            _ => {}
        }
        response.json(body)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.described().0
    }

    /// The status alone: `http::observe` makes the answer, with the request's id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// Whether metrics and spans may carry the method's name: the others become `other`.
pub(crate) fn is_known(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::OPTIONS,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::TRACE,
        Method::CONNECT,
    ]
    .contains(method)
}
