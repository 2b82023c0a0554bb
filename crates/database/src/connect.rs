//! Connections to the database, and the difference between unreachable and refused.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::ConnectionError;
use diesel::connection::CacheSize;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use rustls::ClientConfig;
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{debug, info, warn};

use crate::certificate;
use crate::pooling::{self, Pooling};
use crate::role::Role;
use crate::settings::{Invalid, Settings};
use crate::target::{Route, Target};
use crate::tls::{self, SslMode};

/// Address, credentials and encryption of the database. Cheap to clone; holds no connection.
#[derive(Clone)]
pub struct Database {
    settings: Arc<Settings>,
    application_name: Arc<str>,
    /// The role in place of the role of the settings.
    role: Option<Arc<Role>>,
    route: Route,
    /// Found out by the first connection.
    pooling: Arc<OnceCell<Pooling>>,
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
    #[error("the database {target} refuses the connection{hint}")]
    Refused {
        /// `host:port/name`
        target: String,
        /// Empty, or a remark in parentheses.
        hint: &'static str,
        /// The server's answer.
        #[source]
        cause: tokio_postgres::Error,
    },
    /// The certificate of the server, or of this client, is not accepted.
    #[error("the certificate of the database {target} is not accepted: {problem}")]
    Certificate {
        /// `host:port/name`
        target: String,
        /// The reason, in words.
        problem: String,
    },
    /// A pooler is in between that gives no sessions of their own, which this program needs.
    #[error("the database {target} is behind a pooler that {problem}: {}", pooling::TO_DO)]
    Pooled {
        /// `host:port/name`
        target: String,
        /// What the pooler does, as the end of a sentence.
        problem: &'static str,
    },
    /// Texts of the shop cannot be stored in this database.
    #[error(
        "the database {target} has the encoding {encoding}, and UTF8 is needed: create it with \
         CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// `host:port/name`
        target: String,
        /// PostgreSQL's name of the encoding.
        encoding: String,
    },
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] Invalid),
}

pub(crate) type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

impl Database {
    /// The database for reads and writes of single transactions, which a pooler may pool. Checks
    /// the settings; connects to nothing. Warns of parameters of the URL that change nothing.
    ///
    /// # Errors
    /// [`Invalid`] names the setting that cannot be used.
    pub fn new(settings: &Settings, application_name: &str) -> Result<Database, Invalid> {
        Database::over(Route::Pooled, settings, application_name)
    }

    /// The same database for what needs a session of its own: locks, `LISTEN`, prepared statements,
    /// session settings. Over `direct_url` where it is set; connecting through a pooler that pools
    /// transactions is [`ConnectError::Pooled`].
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn direct(settings: &Settings, application_name: &str) -> Result<Database, Invalid> {
        Database::over(Route::Direct, settings, application_name)
    }

    fn over(route: Route, settings: &Settings, application_name: &str) -> Result<Database, Invalid> {
        let target = Target::read(settings, route)?;
        tls::client(target.sslmode, &target.tls)?;
        if let Some(ignored) = target.ignored {
            warn!("parameters of the URL that change nothing here are ignored: {ignored}");
        }
        Ok(Database {
            settings: Arc::new(settings.clone()),
            application_name: application_name.into(),
            role: None,
            route,
            pooling: Arc::default(),
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
        Target::read(&self.settings, self.route)
            .map_or_else(|invalid| invalid.to_string(), |target| target.describe())
    }

    /// A connection. It ends when the client is dropped; the caller sets time-outs.
    ///
    /// # Errors
    /// [`ConnectError`], within twice the connect time-out for each host, and a few seconds behind
    /// a pooler.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        let client = spawn(self.open().await?);
        let detect = async || self.detect(&client).await;
        let pooling = self.pooling.get_or_try_init(detect).await?;
        if self.route == Route::Direct {
            self.require_sessions(*pooling)?;
        }
        Ok(client)
    }

    async fn detect(&self, first: &Client) -> Result<Pooling, ConnectError> {
        let second = Box::pin(async { Ok(spawn(self.open().await?)) });
        let unreachable = |cause| ConnectError::Unreachable {
            target: self.target(),
            cause,
        };
        pooling::detect(first, second, unreachable).await
    }

    /// Refuses a pooler that gives no sessions of their own.
    pub(crate) fn require_sessions(&self, pooling: Pooling) -> Result<(), ConnectError> {
        let pooled = |problem| ConnectError::Pooled {
            target: self.target(),
            problem,
        };
        pooling.problem().map_or(Ok(()), |problem| Err(pooled(problem)))
    }

    /// How a pooler in between hands out sessions, found out once.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn pooling(&self) -> Result<Pooling, ConnectError> {
        let detect = async || self.detect(&spawn(self.open().await?)).await;
        self.pooling.get_or_try_init(detect).await.copied()
    }

    /// A connection of its own, for diesel. Behind a pooler that pools transactions it keeps no
    /// prepared statements, and statements belong into transactions.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_diesel(&self) -> Result<AsyncPgConnection, ConnectError> {
        let pooling = self.pooling().await?;
        if self.route == Route::Direct {
            self.require_sessions(pooling)?;
        }
        let (client, connection) = self.open().await?;
        let connection = match pooling {
            Pooling::Transactions => without_statements(spawn((client, connection))).await,
            _ => AsyncPgConnection::try_from_client_and_connection(client, connection).await,
        };
        connection.map_err(|error| ConnectError::Unreachable {
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
        let mut target = Target::read(&self.settings, self.route)?;
        if let Some(role) = &self.role {
            target.config = role.instead(&target.config);
        }
        target.config.application_name(&*self.application_name);
        // Made anew each time: mode and certificates may come from files that change.
        let tls = tls::client(target.sslmode, &target.tls)?;
        let unreachable = |cause| ConnectError::Unreachable {
            target: target.describe(),
            cause,
        };
        // Boxed: the state is large, and every caller's would contain it.
        let negotiation = Box::pin(negotiate(&target, tls));
        match tokio::time::timeout(target.limit(), negotiation).await {
            Ok(Ok((client, connection))) => match connection.parameter("server_encoding") {
                Some(encoding) if encoding != "UTF8" => Err(ConnectError::Encoding {
                    target: target.describe(),
                    encoding: encoding.to_owned(),
                }),
                _ => Ok((client, connection)),
            },
            Ok(Err(cause)) => Err(match certificate_problem(&cause) {
                Some(problem) => ConnectError::Certificate {
                    target: target.describe(),
                    problem,
                },
                None if is_refusal(&cause) => ConnectError::Refused {
                    target: target.describe(),
                    hint: match cause.code() {
                        Some(&SqlState::INVALID_PASSWORD) => target.password_hint(),
                        _ => "",
                    },
                    cause,
                },
                None => unreachable(Box::new(cause)),
            }),
            Err(_) => {
                let waited = target.limit().as_secs_f64();
                Err(unreachable(format!("no answer within {waited} s").into()))
            }
        }
    }
}

/// Diesel prepares statements to set the connection up: in one transaction, which drops them.
async fn without_statements(client: Client) -> diesel::ConnectionResult<AsyncPgConnection> {
    let bad = |error: &dyn std::error::Error| ConnectionError::BadConnection(with_causes(error));
    client.batch_execute("BEGIN").await.map_err(|error| bad(&error))?;
    let mut connection = AsyncPgConnection::try_from(client).await?;
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    connection
        .batch_execute("COMMIT")
        .await
        .map_err(|error| bad(&error))?;
    Ok(connection)
}

/// The client of a connection that a task drives until the client is dropped.
pub(crate) fn spawn((client, connection): (Client, Driver)) -> Client {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(error = %error, "a database connection ended");
        }
    });
    client
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

/// The problem of the certificate that the handshake failed for, in words.
fn certificate_problem(error: &tokio_postgres::Error) -> Option<String> {
    let cause = error.source()?.downcast_ref::<io::Error>()?.get_ref()?;
    certificate::problem(cause.downcast_ref()?)
}

/// Password, permission, unknown database, or TLS: waiting does not help.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    let refusals = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
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
