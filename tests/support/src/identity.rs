//! A server that gives tokens for managed identities, as Azure's three places do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::server::{Reply, Request, serve};

/// Whose protocol the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The metadata service of a virtual machine.
    Machine,
    /// The endpoint of Container Apps and App Service.
    Platform,
    /// The token endpoint of Microsoft Entra ID, for the token of a service account.
    Workload,
}

/// A running server on 127.0.0.1. It refuses requests that the real ones refuse.
#[derive(Clone, Debug)]
pub struct Identities {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    place: Place,
    token: String,
    life_s: i64,
    /// Answers in place of the token: status, headers, body.
    others: VecDeque<(u16, String, String)>,
    asked: u32,
}

/// Whose token is asked for.
pub const AUDIENCE: &str = "https://ossrdbms-aad.database.windows.net";
/// The id of the one identity.
pub const CLIENT: &str = "0b1c2d3e-0000-4000-8000-000000000001";
/// Its tenant.
pub const TENANT: &str = "0b1c2d3e-0000-4000-8000-000000000002";
/// `IDENTITY_HEADER` of the platform.
pub const HEADER: &str = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a";
/// The token of the service account.
pub const ASSERTION: &str = "eyJhbGciOiJSUzI1NiJ9.service-account.c2ln";

/// A token of Microsoft Entra ID for `audience`, as far as its reader can tell.
#[must_use]
pub fn token(audience: &str, number: u32) -> String {
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let claims = format!(r#"{{"aud":"{audience}","sub":"{number}"}}"#);
    format!(
        "{}.{}.c2ln",
        part(r#"{"alg":"RS256","typ":"JWT"}"#.into()),
        part(claims)
    )
}

impl Identities {
    /// A server that gives one and the same token, each time for an hour.
    #[must_use]
    pub fn start(place: Place) -> Self {
        let state = Arc::new(Mutex::new(State {
            place,
            token: token(AUDIENCE, 1),
            life_s: 3600,
            others: VecDeque::new(),
            asked: 0,
        }));
        let asked = state.clone();
        let address = serve(None, move |request| answer(&request, &asked));
        Self {
            port: address.port(),
            state,
        }
    }

    /// The variables of a process with this identity, but for the file of the assertion.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let base = format!("http://127.0.0.1:{}", self.port);
        let client = ("AZURE_CLIENT_ID", CLIENT.to_owned());
        match self.state().place {
            Place::Machine => vec![client, ("AZURE_IMDS_ENDPOINT", base)],
            Place::Platform => vec![
                client,
                ("IDENTITY_ENDPOINT", base + "/msi/token"),
                ("IDENTITY_HEADER", HEADER.into()),
            ],
            Place::Workload => vec![
                client,
                ("AZURE_TENANT_ID", TENANT.into()),
                ("AZURE_AUTHORITY_HOST", base + "/"),
            ],
        }
    }

    /// Gives `token` from now on, for `life_s` seconds; less than 1: it has ended.
    pub fn give(&self, token: &str, life_s: i64) {
        let mut state = self.state();
        state.token = token.to_owned();
        state.life_s = life_s;
    }

    /// Answers the next request with this instead: status, header lines and body.
    pub fn answer_once(&self, status: u16, headers: &str, body: &str) {
        let other = (status, headers.to_owned(), body.to_owned());
        self.state().others.push_back(other);
    }

    /// How many requests came.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.state().asked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }
}

/// A field of the query or of the form.
fn field(request: &Request, name: &str) -> Option<String> {
    let query = request.line.split([' ', '?']).nth(2).unwrap_or_default();
    let fields = match request.body.as_slice() {
        [] => query.as_bytes(),
        form => form,
    };
    let mut fields = url::form_urlencoded::parse(fields);
    Some(fields.find(|(field, _)| field == name)?.1.into_owned())
}

fn answer(request: &Request, state: &Mutex<State>) -> Reply {
    let mut state = state.lock().expect("no test panics with it");
    state.asked += 1;
    let (status, headers, body) = match state.others.pop_front() {
        Some(other) => other,
        None => match refusal(request, state.place) {
            Some((status, body)) => (status, String::new(), body),
            None => (200, String::new(), given(&state)),
        },
    };
    Reply {
        status: format!("{status} Status"),
        headers: format!("Content-Type: application/json\r\n{headers}"),
        body: body.into_bytes(),
    }
}

/// What the real one says to a request that is not as documented.
fn refusal(request: &Request, place: Place) -> Option<(u16, String)> {
    let error = |error: &str, text: &str| {
        let trace = "Trace ID: 0 Correlation ID: 0 Timestamp: 2026-01-01 00:00:00Z";
        format!(r#"{{"error":"{error}","error_description":"{text} {trace}"}}"#)
    };
    let path = request.line.split([' ', '?']).nth(1).unwrap_or_default();
    let is = |name: &str, value: &str| field(request, name).as_deref() == Some(value);
    let has_header = |name: &str, value: &str| request.headers.get(name).is_some_and(|sent| sent == value);
    match place {
        Place::Machine if !has_header("metadata", "true") => Some((
            400,
            error("invalid_request", "Required metadata header not specified"),
        )),
        Place::Machine if path != "/metadata/identity/oauth2/token" || !is("api-version", "2018-02-01") => {
            Some((404, error("not_found", "no such path")))
        }
        Place::Platform if !has_header("x-identity-header", HEADER) => {
            Some((401, r#"{"statusCode":401,"message":"Unauthorized"}"#.into()))
        }
        Place::Platform if path != "/msi/token" || !is("api-version", "2019-08-01") => {
            Some((404, r#"{"statusCode":404,"message":"no such path"}"#.into()))
        }
        Place::Workload
            if path != format!("/{TENANT}/oauth2/v2.0/token")
                || !request.line.starts_with("POST ")
                || !is("grant_type", "client_credentials")
                || !is(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ) =>
        {
            Some((
                400,
                error(
                    "invalid_request",
                    "AADSTS900144: the request is not as documented.",
                ),
            ))
        }
        Place::Workload if !is("client_assertion", ASSERTION) => {
            let text = "AADSTS700211: No matching federated identity record found.";
            Some((401, error("invalid_client", text)))
        }
        Place::Workload if !is("scope", &format!("{AUDIENCE}/.default")) => {
            let text = "AADSTS500011: The resource principal was not found in the tenant.";
            Some((400, error("invalid_resource", text)))
        }
        Place::Machine | Place::Platform if !is("resource", AUDIENCE) => {
            let text = "AADSTS500011: The resource principal was not found in the tenant.";
            Some((400, error("invalid_resource", text)))
        }
        _ if !is("client_id", CLIENT) => Some((400, error("invalid_request", "Identity not found"))),
        _ => None,
    }
}

/// The answer with the token, its numbers written as the real one writes them.
fn given(state: &State) -> String {
    let State { token, life_s, .. } = state;
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let ends = now.saturating_add_signed(*life_s);
    match state.place {
        Place::Machine => format!(
            r#"{{"access_token":"{token}","client_id":"{CLIENT}","expires_in":"{}","expires_on":"{ends}","not_before":"{now}","resource":"{AUDIENCE}","token_type":"Bearer"}}"#,
            (*life_s).max(0)
        ),
        Place::Platform => format!(
            r#"{{"access_token":"{token}","client_id":"{CLIENT}","expires_on":"{ends}","resource":"{AUDIENCE}","token_type":"Bearer"}}"#
        ),
        Place::Workload => format!(
            r#"{{"token_type":"Bearer","expires_in":{life_s},"ext_expires_in":{life_s},"access_token":"{token}"}}"#
        ),
    }
}
