//! The address that the settings give at this moment, from a URL or from its parts.

use std::path::Path;
use std::time::Duration;

use process::settings::text::{self, Blanks};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::settings::{Invalid, Port, Settings};
use crate::tls::{SslMode, TlsOptions};
use crate::url::{Address, Keepalives};

/// Which of the two addresses of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `url` or the parts: a pooler may be in between.
    Pooled,
    /// `direct_url` where it is set: for what needs a session of its own.
    Direct,
}

/// Where the settings point at this moment: files are read anew by each call of [`Target::read`].
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) sslmode: SslMode,
    pub(crate) tls: TlsOptions,
    /// Limit of one attempt to reach one host.
    pub(crate) connect_timeout: Duration,
    /// Parameters of the URL that change nothing, after the setting that holds the URL.
    pub(crate) ignored: Option<String>,
    has_odd_password: bool,
}

impl Target {
    pub(crate) fn read(settings: &Settings, route: Route) -> Result<Target, Invalid> {
        let (setting, address) = match url_of(settings, route)? {
            Some((setting, url)) => {
                let refused = |problem| Invalid::new(&setting, format!("{problem} (value redacted)"));
                let address = Address::parse(url.expose_secret()).map_err(refused)?;
                (setting, address)
            }
            None => ("DB_HOST".to_owned(), from_parts(settings)?),
        };
        let Address {
            mut config,
            sslmode,
            mut tls,
            connect_timeout,
            keepalives,
            ignored,
        } = address;
        let sslmode = match sslmode {
            Some(sslmode) => sslmode,
            None => mode_of(settings)?.unwrap_or_default(),
        };
        if tls.authorities.is_none() {
            let path = settings.sslrootcert.as_ref();
            tls.authorities = path.map(|path| path.to_string_lossy().into_owned());
        }
        let connect_timeout =
            connect_timeout.unwrap_or(Duration::from_secs(settings.connect_timeout_s.max(1)));
        let negotiation = negotiation(&config, sslmode);
        config.connect_timeout(connect_timeout).ssl_mode(negotiation);
        keepalives.apply(&mut config);
        let has_odd_password = config
            .get_password()
            .is_some_and(|password| password.trim_ascii() != password);
        Ok(Target {
            config,
            sslmode,
            tls,
            connect_timeout,
            ignored: (!ignored.is_empty()).then(|| format!("{setting}: {}", ignored.join(", "))),
            has_odd_password,
        })
    }

    /// `host:port/name`, of several hosts `host:port,host:port/name`; for people and logs.
    pub(crate) fn describe(&self) -> String {
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let ports = self.config.get_ports();
        let count = hosts.len().max(addresses.len());
        let host = |at: usize| {
            let host = match hosts.get(at) {
                Some(Host::Tcp(host)) => host.clone(),
                #[cfg(unix)]
                Some(Host::Unix(path)) => path.display().to_string(),
                None => addresses.get(at).map(ToString::to_string).unwrap_or_default(),
            };
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            format!("{host}:{port}")
        };
        let hosts: Vec<String> = (0..count).map(host).collect();
        let name = self.config.get_dbname().or(self.config.get_user());
        format!("{}/{}", hosts.join(","), name.unwrap_or("postgres"))
    }

    /// How long an attempt may take that tries every host.
    pub(crate) fn limit(&self) -> Duration {
        let hosts = self.config.get_hosts().len().max(1);
        self.connect_timeout * (u32::try_from(hosts).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// A hint for a password that the server refused.
    pub(crate) fn password_hint(&self) -> &'static str {
        match self.has_odd_password {
            true => " (the password begins or ends with a blank)",
            false => "",
        }
    }
}

impl Keepalives {
    /// What the URL says, else limits that find out a silent server within half a minute.
    fn apply(&self, config: &mut Config) {
        config
            .keepalives(self.enabled.unwrap_or(true))
            .tcp_user_timeout(self.tcp_user_timeout.unwrap_or(Duration::from_secs(10)))
            .keepalives_idle(self.idle.unwrap_or(Duration::from_secs(30)))
            .keepalives_interval(self.interval.unwrap_or(Duration::from_secs(5)))
            .keepalives_retries(self.retries.unwrap_or(3));
    }
}

/// The URL and the setting it comes from. Without an address of its own each route takes the
/// other's.
fn url_of(settings: &Settings, route: Route) -> Result<Option<(String, SecretString)>, Invalid> {
    let direct = || {
        let (value, file) = (settings.direct_url.as_ref(), settings.direct_url_file.as_deref());
        secret(value, file, "DATABASE_DIRECT_URL", Blanks::Cut)
    };
    let pooled = || {
        let (value, file) = (settings.url.as_ref(), settings.url_file.as_deref());
        secret(value, file, "DATABASE_URL", Blanks::Cut)
    };
    if route == Route::Direct
        && let Some(direct) = direct()?
    {
        return Ok(Some(direct));
    }
    match pooled()? {
        None if settings.host.is_none() && settings.host_file.is_none() => direct(),
        url => Ok(url),
    }
}

fn from_parts(settings: &Settings) -> Result<Address, Invalid> {
    let host = text(settings.host.as_ref(), settings.host_file.as_deref(), "DB_HOST")?
        .ok_or_else(|| Invalid::new("DATABASE_URL", "neither it nor DB_HOST is set"))?;
    if host.contains(['@', ' ']) || host.contains("://") {
        return Err(Invalid::new(
            "DB_HOST",
            "is not the name of a host; a URL belongs into DATABASE_URL",
        ));
    }
    let port = text(
        settings.port.as_ref().map(|Port(port)| port),
        settings.port_file.as_deref(),
        "DB_PORT",
    )?;
    let port: u16 = match port {
        None => 5432,
        Some(port) => port.trim().parse().map_err(|_| {
            let problem = format!("`{port}` is not a whole number from 0 to 65535");
            Invalid::new("DB_PORT", problem + text::service_link(&port))
        })?,
    };
    let user = text(settings.user.as_ref(), settings.user_file.as_deref(), "DB_USER")?;
    let name = text(settings.name.as_ref(), settings.name_file.as_deref(), "DB_NAME")?;
    if let Some(name) = name.as_deref().filter(|name| name.starts_with('/')) {
        let problem = format!("`{name}` looks like what docker sets for a linked container (--link …:db)");
        return Err(Invalid::new("DB_NAME", problem));
    }
    let (value, file) = (settings.password.as_ref(), settings.password_file.as_deref());
    let password = secret(value, file, "DB_PASSWORD", Blanks::Kept)?;

    let mut address = Address::default();
    address
        .config
        .host(host)
        .port(port)
        .user(user.as_deref().unwrap_or("postgres"));
    if let Some(name) = name {
        address.config.dbname(name);
    }
    if let Some((_, password)) = password {
        address.config.password(password.expose_secret());
    }
    Ok(address)
}

fn mode_of(settings: &Settings) -> Result<Option<SslMode>, Invalid> {
    let name = text(
        settings.sslmode.as_ref(),
        settings.sslmode_file.as_deref(),
        "DB_SSLMODE",
    )?;
    name.map(|name| SslMode::parse(&name))
        .transpose()
        .map_err(|problem| Invalid::new("DB_SSLMODE", problem))
}

/// As in libpq, a Unix-domain socket is never encrypted, whatever the mode.
fn negotiation(config: &Config, sslmode: SslMode) -> tokio_postgres::config::SslMode {
    let is_socket = |host: &Host| !matches!(host, Host::Tcp(_));
    let sockets_only = !config.get_hosts().is_empty() && config.get_hosts().iter().all(is_socket);
    if sockets_only {
        SslMode::Disable.negotiation()
    } else {
        sslmode.negotiation()
    }
}

/// A value or what its file holds, after the setting that it comes from.
fn secret(
    value: Option<&SecretString>,
    file: Option<&Path>,
    name: &str,
    blanks: Blanks,
) -> Result<Option<(String, SecretString)>, Invalid> {
    match (value.filter(|value| !value.expose_secret().is_empty()), file) {
        (Some(value), _) => Ok(Some((name.to_owned(), value.clone()))),
        (None, Some(path)) => {
            let setting = format!("{name}_FILE");
            let text = read(&setting, path, blanks)?;
            Ok(Some((setting, text.into())))
        }
        (None, None) => Ok(None),
    }
}

fn text(value: Option<&String>, file: Option<&Path>, name: &str) -> Result<Option<String>, Invalid> {
    match (value.filter(|value| !value.is_empty()), file) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Some(path)) => read(&format!("{name}_FILE"), path, Blanks::Cut).map(Some),
        (None, None) => Ok(None),
    }
}

/// The value in a file.
fn read(setting: &str, path: &Path, blanks: Blanks) -> Result<String, Invalid> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| Invalid::new(setting, format!("cannot read {shown}: {error}")))?;
    let text = text::value(&bytes, blanks).and_then(text::checked);
    let text = text.map_err(|problem| Invalid::new(setting, format!("{shown}: {problem}")))?;
    match text.is_empty() {
        true => Err(Invalid::new(setting, format!("{shown} is empty"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_everything() {
        let url = "postgres://u:p%40ss@db.example:6543/food?sslmode=verify-full&sslrootcert=%2Fca.pem";
        let settings = Settings {
            url: Some(url.to_owned().into()),
            ..Settings::default()
        };
        let target = Target::read(&settings, Route::Pooled).unwrap();

        assert_eq!(target.describe(), "db.example:6543/food");
        assert_eq!(target.config.get_password(), Some("p@ss".as_bytes()));
        assert_eq!(target.sslmode, SslMode::VerifyFull);
        assert_eq!(target.tls.authorities.as_deref(), Some("/ca.pem"));
    }

    #[test]
    fn parts_do_as_well() {
        let settings = Settings {
            host: Some("db".into()),
            user: Some("app".into()),
            password: Some("0123".to_owned().into()),
            name: Some("food".into()),
            sslmode: Some("require".into()),
            ..Settings::default()
        };
        let target = Target::read(&settings, Route::Pooled).unwrap();

        assert_eq!(target.describe(), "db:5432/food");
        assert_eq!(target.config.get_password(), Some("0123".as_bytes()));
        assert_eq!(target.sslmode, SslMode::Require);
    }
}
