//! Every route of the console with the right that it needs, and the one door to all of them.

use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use pages::Site;

use super::right::Right;
use super::visit::{Refusal, Visit, see_other};
use super::{
    Console, audit, board, dead_letters, exports, job, jobs, loads, login, order, pauses, sales, session,
    system, webhooks,
};
use crate::http::{body, observe};
use crate::spans;

type Answer = Pin<Box<dyn Future<Output = Result<HttpResponse, Refusal>>>>;

struct Route {
    method: Method,
    path: &'static str,
    right: Right,
    handler: fn(Visit) -> Answer,
}

macro_rules! routes {
    ($($method:ident $path:literal $right:ident $handler:path;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            right: Right::$right,
            handler: |visit| Box::pin($handler(visit)),
        }),*]
    };
}

const ROUTES: &[Route] = routes! {
    GET "/login" Nothing login::show;
    POST "/login" Nothing login::log_in;
    POST "/logout" Session login::log_out;
    GET "/" Session login::home;
    GET "/orders" SeeOrders board::show;
    GET "/orders/events" SeeOrders board::events;
    GET "/orders/{id}" SeeOrders order::show;
    POST "/orders/{id}" ManageOrders board::change;
    GET "/jobs" SeeOperations jobs::list;
    GET "/jobs/{id}" SeeOperations job::show;
    POST "/jobs/{id}/cancel" Operate job::cancel_job;
    POST "/jobs/{id}/run" Operate job::run_now;
    POST "/jobs/change" Operate job::change;
    POST "/jobs/pause" Operate pauses::pause;
    POST "/jobs/resume" Operate pauses::resume;
    GET "/dead" SeeOperations dead_letters::list;
    GET "/dead/all" Operate dead_letters::ask_all;
    GET "/dead/{id}" SeeOperations dead_letters::show;
    POST "/dead/change" Operate dead_letters::change;
    POST "/dead/all" Operate dead_letters::change_all;
    GET "/webhooks" SeeOperations webhooks::list;
    GET "/webhooks/{id}" SeeOperations webhooks::show;
    POST "/webhooks/{id}/test" Operate webhooks::test;
    POST "/webhooks/{id}/rotate" Operate webhooks::rotate;
    POST "/webhooks/{id}/disable" Operate webhooks::disable;
    POST "/webhooks/{id}/enable" Operate webhooks::enable;
    GET "/sales" SeeOperations sales::show;
    POST "/sales/export" Operate exports::begin;
    GET "/sales/export/{id}" SeeOperations exports::file;
    GET "/loads" SeeOperations loads::show;
    GET "/system" SeeOperations system::show;
    GET "/audit" SeeOperations audit::show;
    GET "/audit.csv" SeeOperations audit::csv;
};

/// Every route: method, path, the right that it needs.
pub fn routes() -> impl Iterator<Item = (&'static str, &'static str, Right)> {
    ROUTES
        .iter()
        .map(|route| (route.method.as_str(), route.path, route.right))
}

/// Answers any request: finds the route, checks session, origin and right, and adds the headers
/// that all answers have. What it changes is recorded with the id of the request.
pub(super) async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    console: web::Data<Console>,
) -> HttpResponse {
    let console = console.into_inner();
    let site = Site::of(
        request.headers(),
        None,
        console.state.limits.trusts_peer(request.peer_addr()),
    );
    let id = observe::request_id(request.headers());
    let (mut response, id) = match request.path().strip_prefix("/assets/") {
        Some(name) => match console.assets.file(name) {
            Some(file) => (file.respond(&request), id),
            None => (HttpResponse::NotFound().finish(), id),
        },
        None => spans::identified(id, page(&request, payload, &console, &site)).await,
    };
    console.headers.apply(&site, response.headers_mut());
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(
        header::HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    );
    headers.insert(observe::X_REQUEST_ID, id);
    response
}

async fn page(
    request: &HttpRequest,
    payload: web::Payload,
    console: &Arc<Console>,
    site: &Site,
) -> HttpResponse {
    let snapshot = console.state.snapshots.get();
    let session = snapshot
        .as_ref()
        .filter(|snapshot| !snapshot.has_stale_keys(console.state.authenticator.keys_max_age))
        .and_then(|snapshot| session::of(&console.signer, site, request.headers(), snapshot));
    let method = match request.method() {
        &Method::HEAD => Method::GET,
        other => other.clone(),
    };
    let mut visit = Visit {
        console: console.clone(),
        request: request.clone(),
        site: site.clone(),
        session,
        snapshot,
        id: String::new(),
        fields: Vec::new(),
    };
    let found = find(request.path());
    let route = match found.iter().find(|(route, _)| route.method == method) {
        Some((route, id)) => {
            visit.id = (*id).to_owned();
            route
        }
        None if found.is_empty() => return visit.refuse(Refusal::Missing),
        None => {
            let mut response = visit.told(
                StatusCode::METHOD_NOT_ALLOWED,
                "Not here",
                "This address does not do that.",
            );
            let allowed: Vec<&str> = found.iter().map(|(route, _)| route.method.as_str()).collect();
            if let Ok(allowed) = HeaderValue::from_str(&allowed.join(", ")) {
                response.headers_mut().insert(header::ALLOW, allowed);
            }
            return response;
        }
    };
    if !site.may_change(&method, request.headers()) {
        let text = "Only a page of this console may do that.";
        return visit.told(StatusCode::FORBIDDEN, "Not allowed", text);
    }
    if route.right != Right::Nothing {
        match &visit.session {
            None if method == Method::GET => return see_other("/login"),
            None => {
                let text = "You are not logged in, or your key was revoked: log in again.";
                return visit.told(StatusCode::FORBIDDEN, "Not logged in", text);
            }
            Some(session) if !session.may(route.right) => {
                let text = "Your API key has not the scope for that.";
                return visit.told(StatusCode::FORBIDDEN, "Not allowed", text);
            }
            Some(_) => {}
        }
        if route.right.changes() && console.read_only {
            let text = "This console is read only (CONSOLE_READ_ONLY).";
            return visit.told(StatusCode::FORBIDDEN, "Not allowed", text);
        }
    }
    let text = match method {
        Method::GET => request.query_string().as_bytes().to_vec(),
        _ => match body::read_form(request, payload, console.state.body_timeout).await {
            Ok(bytes) => bytes.to_vec(),
            Err(error) => return visit.told(error.status_code(), "Not done", &error.to_string()),
        },
    };
    visit.fields = url::form_urlencoded::parse(&text).into_owned().collect();
    if visit.fields.iter().any(|(_, value)| value.contains('\0')) {
        let text = "A field holds the character NUL, which no text of the database can hold.";
        return visit.told(StatusCode::UNPROCESSABLE_ENTITY, "Not done", text);
    }
    let answered = (route.handler)(visit.clone()).await;
    answered.unwrap_or_else(|refusal| visit.refuse(refusal))
}

/// The routes of a path with what stands for `{id}`; those of the whole path come first.
fn find(path: &str) -> Vec<(&'static Route, &str)> {
    let path = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    let with_id = |route: &'static Route| {
        let (before, after) = route.path.split_once("{id}")?;
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some((route, id))
    };
    let whole = ROUTES
        .iter()
        .filter(|route| route.path == path)
        .map(|route| (route, ""));
    whole.chain(ROUTES.iter().filter_map(with_id)).collect()
}
