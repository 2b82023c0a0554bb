//! Logging in by an API key, and out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use tracing::{info, warn};

use super::right::{LOG_IN, Right};
use super::session;
use super::view::{Banner, Field, Form, Section};
use super::visit::{Refusal, Visit, see_other};
use crate::http::ApiError;
use crate::rate_limit::Action;

/// GET /login.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    Ok(form(&visit, StatusCode::OK, None))
}

/// POST /login.
pub(super) async fn log_in(visit: Visit) -> Result<HttpResponse, Refusal> {
    let limits = &visit.console.state.limits;
    if let Err(ApiError::TooManyRequests { retry_after_s, .. }) =
        limits.admit_action(&visit.request, Action::LogIn)
    {
        let text = format!("Too many tries from this address: wait {retry_after_s} seconds.");
        let mut response = form(&visit, StatusCode::TOO_MANY_REQUESTS, Some(&text));
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        return Ok(response);
    }
    let authenticator = &visit.console.state.authenticator;
    let Some(snapshot) = &visit.snapshot else {
        let text = "The keys have not been read from the database yet: try again in a moment.";
        return Ok(form(&visit, StatusCode::SERVICE_UNAVAILABLE, Some(text)));
    };
    let sent = visit.field("key").unwrap_or_default();
    let key = authenticator.find(snapshot, sent.as_bytes());
    let Some(key) = key.filter(|key| Right::Session.is_of(key.scopes)) else {
        warn!("a try to log in to the console was refused");
        let scopes = LOG_IN.map(shop::Scope::name).join(", ");
        let text = format!("This is no valid API key with one of the scopes {scopes}.");
        return Ok(form(&visit, StatusCode::FORBIDDEN, Some(&text)));
    };
    info!(key = %key.id, "logged in to the console");
    let cookie = session::cookie(&visit.console.signer, &visit.site, key.id, snapshot.now());
    Ok(with_cookie(see_other("/"), &cookie))
}

/// POST /logout.
pub(super) async fn log_out(visit: Visit) -> Result<HttpResponse, Refusal> {
    Ok(with_cookie(see_other("/login"), &session::end(&visit.site)))
}

fn with_cookie(mut response: HttpResponse, cookie: &str) -> HttpResponse {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// GET /: the first page that the session may see and that concerns it.
pub(super) async fn home(visit: Visit) -> Result<HttpResponse, Refusal> {
    let orders = visit.may(Right::ManageOrders) || !visit.may(Right::SeeOperations);
    Ok(see_other(if orders { "/orders" } else { "/jobs" }))
}

fn form(visit: &Visit, status: StatusCode, problem: Option<&str>) -> HttpResponse {
    let key = Field {
        kind: "password",
        required: true,
        hint: "With one of the scopes view_operations, manage_orders, operate.",
        autocomplete: "current-password",
        ..Field::text("key", "API key", "")
    };
    let form = Form {
        path: "/login".into(),
        fields: vec![key],
        submit: "Log in".into(),
        ..Form::default()
    };
    visit.write(
        status,
        "Log in",
        problem.map(Banner::bad),
        vec![Section::Form(form)],
    )
}
