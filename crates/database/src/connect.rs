//! Connections to the database, and the difference between unreachable and refused.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::ConnectionError;
use diesel::connection::CacheSize;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use process::failure;
use process::settings::text::Blanks;
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;
use tokio_postgres::Client;
use tracing::{debug, info, warn};

use crate::azure::Tokens;
use crate::connect_error::ConnectError;
use crate::open::{self, Opened};
use crate::pooling::{self, Pooling};
use crate::role::Role;
use crate::settings::{Invalid, Settings};
use crate::target::{Login, Route, Target};
use crate::tls;
use crate::value::secret;

/// Address, credentials and encryption of the database. Cheap to clone; holds no connection.
#[derive(Clone)]
pub struct Database {
    settings: Arc<Settings>,
    application_name: Arc<str>,
    /// The role in place of the role of the settings.
    role: Option<Arc<Role>>,
    route: Route,
    /// What to log in with instead of a password.
    tokens: Option<Arc<Tokens>>,
    /// Found out by the first connection.
    pooling: Arc<OnceCell<Pooling>>,
}

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

    /// A standby of the same database, at the URL `url` or the one in `url_file`; password and TLS
    /// as in the settings unless the URL has its own. `None`: neither is set. Of several hosts the
    /// first that takes no writes is used.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn standby(
        settings: &Settings,
        url: Option<&SecretString>,
        url_file: Option<&Path>,
        application_name: &str,
    ) -> Result<Option<Database>, Invalid> {
        if secret(url, url_file, "READ_DATABASE_URL", Blanks::Cut)?.is_none() {
            return Ok(None);
        }
        let settings = Settings {
            url: url.cloned(),
            url_file: url_file.map(Path::to_owned),
            direct_url: None,
            direct_url_file: None,
            ..settings.clone()
        };
        Database::over(Route::Standby, &settings, application_name).map(Some)
    }

    fn over(route: Route, settings: &Settings, application_name: &str) -> Result<Database, Invalid> {
        let target = Target::read(settings, route)?;
        tls::client(target.sslmode, &target.tls)?;
        if let Some(ignored) = target.ignored {
            warn!("parameters of the URL that change nothing here are ignored: {ignored}");
        }
        let tokens = match target.login {
            Login::Password => None,
            Login::Azure => Some(Arc::new(Tokens::new(settings)?)),
        };
        Ok(Database {
            settings: Arc::new(settings.clone()),
            application_name: application_name.into(),
            role: None,
            route,
            tokens,
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
    /// [`ConnectError`], within twice the connect time-out (150 ms more for each further host), and
    /// a few seconds behind a pooler or for a token.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        self.connect_driven(spawn).await
    }

    /// The same, with the client of `drive`, which drives the connection.
    pub(crate) async fn connect_driven(
        &self,
        drive: impl FnOnce(Opened) -> Client,
    ) -> Result<Client, ConnectError> {
        let opened = self.open(None).await?;
        let host = opened.host;
        let client = drive(opened);
        let detect = async || self.detect(&client, host).await;
        let pooling = self.pooling.get_or_try_init(detect).await?;
        if self.route == Route::Direct {
            self.require_sessions(*pooling)?;
        }
        Ok(client)
    }

    async fn detect(&self, first: &Client, host: usize) -> Result<Pooling, ConnectError> {
        // Another host has a pooler of its own.
        let second = Box::pin(async { Ok(spawn(self.open(Some(host)).await?)) });
        match pooling::detect(first, second, |cause| self.unreachable(cause)).await? {
            // Reads are transactions, too.
            statements @ Pooling::Statements => self.require_sessions(statements).map(|()| statements),
            pooling => Ok(pooling),
        }
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
        let detect = async || {
            let opened = self.open(None).await?;
            let host = opened.host;
            self.detect(&spawn(opened), host).await
        };
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
        let opened = self.open(None).await?;
        let connection = match pooling {
            Pooling::Transactions => without_statements(spawn(opened)).await,
            _ => AsyncPgConnection::try_from_client_and_connection(opened.client, opened.connection).await,
        };
        connection.map_err(|error| self.unreachable(Box::new(error)))
    }

    pub(crate) fn unreachable(&self, cause: Box<dyn std::error::Error + Send + Sync>) -> ConnectError {
        ConnectError::Unreachable {
            target: self.target(),
            cause,
        }
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
                    error = failure::line(&error),
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

    /// A connection that nobody drives yet, to one of the hosts, or to the one at the place `only`.
    pub(crate) async fn open(&self, only: Option<usize>) -> Result<Opened, ConnectError> {
        let mut target = Target::read(&self.settings, self.route)?;
        target.config.application_name(&*self.application_name);
        // Made anew each time: mode and certificates may come from files that change.
        let tls = tls::client(target.sslmode, &target.tls)?;
        let opened = match (&self.tokens, &self.role) {
            (Some(tokens), None) => self.open_with(tokens, target, &tls, only).await?,
            (_, role) => open::open(&target, role.as_deref(), only, &tls).await?,
        };
        match opened.connection.parameter("server_encoding") {
            Some(encoding) if encoding != "UTF8" => Err(ConnectError::Encoding {
                target: self.target(),
                encoding: encoding.to_owned(),
            }),
            _ => Ok(opened),
        }
    }

    /// Logs in with a token. One that the server refuses may have ended early: then with another.
    async fn open_with(
        &self,
        tokens: &Tokens,
        mut target: Target,
        tls: &ClientConfig,
        only: Option<usize>,
    ) -> Result<Opened, ConnectError> {
        loop {
            let lent = tokens.token().await.map_err(|failure| match failure.is_passing {
                true => self.unreachable(Box::new(failure)),
                false => ConnectError::NoToken {
                    target: target.describe(),
                    problem: failure.to_string(),
                },
            })?;
            target.config.password(lent.secret.expose_secret());
            match open::open(&target, None, only, tls).await {
                Err(ConnectError::Refused { .. }) if !lent.is_new => tokens.forget(&lent.secret).await,
                opened => return opened,
            }
        }
    }
}

/// Diesel prepares statements to set the connection up: in one transaction, which drops them.
async fn without_statements(client: Client) -> diesel::ConnectionResult<AsyncPgConnection> {
    let bad =
        |error: &(dyn std::error::Error + 'static)| ConnectionError::BadConnection(failure::line(error));
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
pub(crate) fn spawn(opened: Opened) -> Client {
    let Opened {
        client, connection, ..
    } = opened;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(error = %error, "a database connection ended");
        }
    });
    client
}
