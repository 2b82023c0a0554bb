use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel_async::AsyncPgConnection;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{debug, info};

use crate::settings::{Invalid, Settings};
use crate::target::Target;
use crate::tls;

/// Where the database is, how to authenticate there and how to encrypt. Cheap to clone; holds no connection.
#[derive(Clone)]
pub struct Database {
    settings: Arc<Settings>,
    application_name: Arc<str>,
    tls: MakeRustlsConnect,
}

/// No connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there, or the server is starting, stopping or full: later it may work.
    #[error("the database {target} cannot be reached")]
    Unreachable {
        /// `host:port/name`
        target: String,
        /// What the attempt said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refuses us (password, database name, TLS): the settings have to change.
    #[error("the database {target} refuses the connection")]
    Refused {
        /// `host:port/name`
        target: String,
        /// What the server said.
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
        let tls = tls::client(target.sslmode, target.sslrootcert.as_deref())?;
        Ok(Database {
            settings: Arc::new(settings.clone()),
            application_name: application_name.into(),
            tls: MakeRustlsConnect::new(tls),
        })
    }

    /// `host:port/name`, without any secret.
    pub fn target(&self) -> String {
        Target::read(&self.settings).map_or_else(|invalid| invalid.to_string(), |target| target.describe())
    }

    /// A connection of its own, for jobs. It ends when the client is dropped; time-outs are the caller's to set.
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

    /// Tries until a connection works, at most `timeout`; returns how long it took. Says once that it waits.
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
                    "waiting for the database"
                );
                said = true;
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.settings.statement_timeout_s)
    }

    pub(crate) async fn open(&self) -> Result<(Client, Driver), ConnectError> {
        let mut target = Target::read(&self.settings)?;
        target.config.application_name(&*self.application_name);
        let limit = 2 * Duration::from_secs(self.settings.connect_timeout_s.max(1));
        match tokio::time::timeout(limit, target.config.connect(self.tls.clone())).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(cause)) if is_refusal(&cause) => Err(ConnectError::Refused {
                target: target.describe(),
                cause,
            }),
            Ok(Err(cause)) => Err(ConnectError::Unreachable {
                target: target.describe(),
                cause: Box::new(cause),
            }),
            Err(late) => Err(ConnectError::Unreachable {
                target: target.describe(),
                cause: Box::new(late),
            }),
        }
    }
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
        None => {
            let text = error.to_string();
            text.starts_with("error performing TLS handshake") || text.starts_with("invalid configuration")
        }
    }
}
