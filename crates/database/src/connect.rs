//! Connections to the database, and the difference between unreachable and refused.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel_async::AsyncPgConnection;
use rustls::ClientConfig;
use secrecy::SecretString;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{debug, info};

use crate::role::Role;
use crate::settings::{Invalid, Settings};
use crate::target::Target;
use crate::tls::{self, SslMode};

/// Address, credentials and encryption of the database. Cheap to clone; holds no connection.
#[derive(Clone)]
pub struct Database {
    settings: Arc<Settings>,
    application_name: Arc<str>,
    /// The role in place of the role of the settings.
    role: Option<Arc<Role>>,
}

/// No connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No server answers, or it is starting, stopping or full: a later attempt may work.
    #[error("the database {target} cannot be reached")]
    Unreachable {
        /// `host:port/name`
        target: String,
        /// The error of the attempt.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refuses (password, database name, TLS): the settings have to change.
    #[error("the database {target} refuses the connection")]
    Refused {
        /// `host:port/name`
        target: String,
        /// The server's answer.
        #[source]
        cause: tokio_postgres::Error,
    },
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] Invalid),
}

pub(crate) type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

impl Database {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`Invalid`] names the setting that cannot be used.
    pub fn new(settings: &Settings, application_name: &str) -> Result<Database, Invalid> {
        let target = Target::read(settings)?;
        tls::client(target.sslmode, target.sslrootcert.as_deref())?;
        Ok(Database {
            settings: Arc::new(settings.clone()),
            application_name: application_name.into(),
            role: None,
        })
    }

    /// The same database for another role. Without a password none is sent, even if the settings
    /// have one: a server that asks for one is then [`ConnectError::Refused`].
    #[must_use]
    pub fn as_role(&self, name: &str, password: Option<&SecretString>) -> Database {
        let role = Role::new(name, password.cloned());
        Database {
            role: Some(Arc::new(role)),
            ..self.clone()
        }
    }

    /// `host:port/name`, without any secret.
    pub fn target(&self) -> String {
        Target::read(&self.settings).map_or_else(|invalid| invalid.to_string(), |target| target.describe())
    }

    /// A connection for jobs. It ends when the client is dropped; the caller sets time-outs.
    ///
    /// # Errors
    /// [`ConnectError`], within twice the connect time-out.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        let (client, connection) = self.open().await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(error = %error, "a database connection ended");
            }
        });
        Ok(client)
    }

    /// A connection of its own, for diesel.
    ///
    /// # Errors
    /// [`ConnectError`], within twice the connect time-out.
    pub async fn connect_diesel(&self) -> Result<AsyncPgConnection, ConnectError> {
        let (client, connection) = self.open().await?;
        AsyncPgConnection::try_from_client_and_connection(client, connection)
            .await
            .map_err(|error| ConnectError::Unreachable {
                target: self.target(),
                cause: Box::new(error),
            })
    }

    /// Tries until a connection works, at most `timeout`; returns the time that it took. Logs once.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] after `timeout`; the others at once.
    pub async fn wait(&self, timeout: Duration) -> Result<Duration, ConnectError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        let mut said = false;
        loop {
            let error = match self.connect().await {
                Ok(_) => return Ok(started.elapsed()),
                Err(error) if !error.is_unreachable() => return Err(error),
                Err(error) => error,
            };
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(error);
            }
            if !said {
                info!(
                    database = self.target(),
                    wait_s = timeout.as_secs(),
                    error = with_causes(&error),
                    "waiting for the database"
                );
                said = true;
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// How long the server lets one statement of a [`Pool`](crate::pool::Pool) run; zero is without
    /// limit.
    pub fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.settings.statement_timeout_s)
    }

    pub(crate) async fn open(&self) -> Result<(Client, Driver), ConnectError> {
        let mut target = Target::read(&self.settings)?;
        if let Some(role) = &self.role {
            target.config = role.instead(&target.config);
        }
        target.config.application_name(&*self.application_name);
        // Made anew each time: mode and authorities may come from files that change.
        let tls = tls::client(target.sslmode, target.sslrootcert.as_deref())?;
        let limit = 2 * Duration::from_secs(self.settings.connect_timeout_s.max(1));
        let unreachable = |cause| ConnectError::Unreachable {
            target: target.describe(),
            cause,
        };
        match tokio::time::timeout(limit, negotiate(&target, tls)).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(cause)) if is_refusal(&cause) => Err(ConnectError::Refused {
                target: target.describe(),
                cause,
            }),
            Ok(Err(cause)) => Err(unreachable(Box::new(cause))),
            Err(late) => Err(unreachable(Box::new(late))),
        }
    }
}

/// One connection in the given mode; `prefer` falls back to plain text after a failed handshake.
async fn negotiate(target: &Target, tls: ClientConfig) -> Result<(Client, Driver), tokio_postgres::Error> {
    let tls = MakeRustlsConnect::new(tls);
    let opened = target.config.connect(tls.clone()).await;
    match opened {
        Err(error) if target.sslmode == SslMode::Prefer && is_about_tls(&error) => {
            let mut plain = target.config.clone();
            plain.ssl_mode(SslMode::Disable.negotiation());
            // The error of the preferred mode is more useful than that of the fallback.
            plain.connect(tls).await.map_err(|_| error)
        }
        opened => opened,
    }
}

/// The error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

impl ConnectError {
    /// Whether trying again later makes sense.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, ConnectError::Unreachable { .. })
    }
}

/// Password, permission, unknown database, or TLS: waiting does not help.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let refusals = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    match error.code() {
        Some(code) => refusals.contains(code),
        None => is_failed_handshake(error) || error.to_string().starts_with("invalid configuration"),
    }
}

/// TLS failed, or the server lets this role in without it only (as far as its answer tells).
fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) || is_failed_handshake(error)
}

/// Client and server disagree about TLS; a connection that broke meanwhile is something else.
fn is_failed_handshake(error: &tokio_postgres::Error) -> bool {
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
