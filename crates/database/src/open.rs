//! Opening a connection: one host or several, almost at once, each within its own limit.

use std::collections::hash_map::RandomState;
use std::error::Error as _;
use std::fmt;
use std::hash::BuildHasher as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use process::failure;
use rustls::ClientConfig;
use tokio_postgres::config::LoadBalanceHosts;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::certificate;
use crate::connect_error::ConnectError;
use crate::role::{Role, single};
use crate::target::{Target, hosts};
use crate::tls::SslMode;

pub(crate) type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// A connection that nobody drives yet.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) connection: Driver,
    /// The place of its host among those of the target.
    pub(crate) host: usize,
}

/// Time after which the next host is tried beside those that have not answered.
const STAGGER: Duration = Duration::from_millis(150);

/// No connection to one host.
enum Failed {
    Late(Duration),
    With(Error),
}

impl Failed {
    /// Whether waiting does not help.
    fn is_final(&self) -> bool {
        match self {
            Failed::Late(_) => false,
            Failed::With(error) => certificate_problem(error).is_some() || is_refusal(error),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Late(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Failed::With(error) => match (certificate_problem(error), is_other_session(error)) {
                (Some(problem), _) => write!(f, "the certificate is not accepted: {problem}"),
                (None, Some(session)) => f.write_str(session),
                (None, None) => f.write_str(&failure::line(error)),
            },
        }
    }
}

/// A connection to the first host that gives the wanted session; `only` is the place of one.
///
/// A host that fails makes room for the next one, a silent one does so after 150 ms. Waiting makes
/// sense unless each host says that it does not: during a failover, the one that refuses the
/// password may not be the one that matters.
pub(crate) async fn open(
    target: &Target,
    role: Option<&Role>,
    only: Option<usize>,
    tls: &ClientConfig,
) -> Result<Opened, ConnectError> {
    let names = hosts(&target.config);
    let mut waiting = match only {
        Some(host) => vec![host],
        None => order(&target.config, names.len()),
    }
    .into_iter();
    let mut trying = FuturesUnordered::new();
    let mut failures: Vec<(usize, Failed)> = Vec::new();
    loop {
        if let Some(host) = waiting.next() {
            // Boxed: the state is large, and every caller's would contain it.
            trying.push(Box::pin(attempt(target, role, host, tls)));
        }
        if trying.is_empty() {
            break;
        }
        let is_last = waiting.len() == 0;
        tokio::select! {
            Some((host, outcome)) = trying.next() => match outcome {
                Ok((client, connection)) => return Ok(Opened { client, connection, host }),
                Err(failure) => failures.push((host, failure)),
            },
            () = tokio::time::sleep(STAGGER), if !is_last => {}
        }
    }
    failures.sort_by_key(|(host, _)| *host);
    Err(no_connection(target, &names, failures))
}

/// The places of the hosts in the order in which they are tried.
fn order(config: &Config, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        let random = RandomState::new();
        order.sort_by_cached_key(|host| random.hash_one(host));
    }
    order
}

async fn attempt(
    target: &Target,
    role: Option<&Role>,
    host: usize,
    tls: &ClientConfig,
) -> (usize, Result<(Client, Driver), Failed>) {
    let config = single(&target.config, role, host);
    let limit = target.limit();
    let outcome = tokio::time::timeout(limit, negotiate(&config, target.sslmode, tls)).await;
    let outcome = match outcome {
        Ok(opened) => opened.map_err(Failed::With),
        Err(_) => Err(Failed::Late(limit)),
    };
    (host, outcome)
}

fn no_connection(target: &Target, names: &[String], mut failures: Vec<(usize, Failed)>) -> ConnectError {
    let described = target.describe();
    let is_final = failures.iter().all(|(_, failure)| failure.is_final());
    let listed = failures.iter().map(|(host, failure)| {
        let name = names.get(*host).map_or("", String::as_str);
        format!("{name}: {failure}")
    });
    let listed = listed.collect::<Vec<_>>().join("; ");
    let is_one = failures.len() == 1;
    let unreachable = |cause| ConnectError::Unreachable {
        target: described.clone(),
        cause,
    };
    let last = failures.pop().map(|(_, failure)| failure);
    match last {
        Some(Failed::With(error)) if is_final => match certificate_problem(&error) {
            Some(problem) => ConnectError::Certificate {
                target: described,
                problem: if is_one { problem } else { listed },
            },
            None => ConnectError::Refused {
                target: described,
                hint: match error.code() {
                    _ if !is_one => format!(" ({listed})"),
                    Some(&SqlState::INVALID_PASSWORD) => target.password_hint().to_owned(),
                    _ => String::new(),
                },
                cause: error,
            },
        },
        Some(Failed::With(error)) if is_one && is_other_session(&error).is_none() => {
            unreachable(Box::new(error))
        }
        _ if is_one => unreachable(listed.split_once(": ").map_or("", |(_, failure)| failure).into()),
        _ => unreachable(listed.into()),
    }
}

/// One connection in the given mode; `prefer` falls back to plain text after a failed handshake.
async fn negotiate(config: &Config, sslmode: SslMode, tls: &ClientConfig) -> Result<(Client, Driver), Error> {
    let tls = MakeRustlsConnect::new(tls.clone());
    let opened = config.connect(tls.clone()).await;
    match opened {
        Err(error) if sslmode == SslMode::Prefer && is_about_tls(&error) => {
            let mut plain = config.clone();
            plain.ssl_mode(SslMode::Disable.negotiation());
            // The error of the preferred mode is more useful than that of the fallback.
            plain.connect(tls).await.map_err(|_| error)
        }
        opened => opened,
    }
}

/// The server is there, and its sessions are not of the wanted kind; in words.
fn is_other_session(error: &Error) -> Option<&'static str> {
    let cause = error.source()?.downcast_ref::<io::Error>()?.to_string();
    match cause.as_str() {
        "database does not allow writes" => {
            Some("takes no writes: it is a standby, or read-only (target_session_attrs)")
        }
        "database is not read only" => Some("takes writes, and a standby is wanted (target_session_attrs)"),
        _ => None,
    }
}

/// The problem of the certificate that the handshake failed for, in words.
fn certificate_problem(error: &Error) -> Option<String> {
    let cause = error.source()?.downcast_ref::<io::Error>()?.get_ref()?;
    certificate::problem(cause.downcast_ref()?)
}

/// Password, permission, unknown database, options, or TLS: waiting does not help.
fn is_refusal(error: &Error) -> bool {
    let refusals = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
        // Of what `options` says.
        SqlState::SYNTAX_ERROR,
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_PARAMETER_VALUE,
        SqlState::CANT_CHANGE_RUNTIME_PARAM,
    ];
    // PgBouncer has one code for everything.
    let refusals_of_poolers = [
        "unsupported startup parameter",
        "no such database",
        "no such user",
    ];
    match error.as_db_error() {
        Some(answer) => {
            refusals.contains(answer.code())
                || refusals_of_poolers
                    .iter()
                    .any(|refusal| answer.message().starts_with(refusal))
        }
        None => {
            // The server offers no way to log in that this client may take.
            let refusals = ["authentication error", "invalid configuration"];
            let said = error.to_string();
            is_failed_handshake(error) || refusals.iter().any(|refusal| said.starts_with(refusal))
        }
    }
}

/// TLS failed, or the server lets this role in without it only (as far as its answer tells).
fn is_about_tls(error: &Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) || is_failed_handshake(error)
}

/// Client and server disagree about TLS; a connection that broke meanwhile is something else.
fn is_failed_handshake(error: &Error) -> bool {
    let broken = [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
        ErrorKind::TimedOut,
    ];
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    error.to_string().starts_with("error performing TLS handshake")
        && !cause.is_some_and(|cause| broken.contains(&cause.kind()))
}
