//! The address that the settings give at this moment, from a URL or from its parts.

use std::net::IpAddr;
use std::time::Duration;

use process::settings::text::{self as setting_text, Blanks};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::settings::{Invalid, Settings};
use crate::tls::{SslMode, TlsOptions};
use crate::url::{Address, Keepalives};
use crate::value::{secret, text};

/// Which of the two addresses of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `url` or the parts: a pooler may be in between.
    Pooled,
    /// `direct_url` where it is set: for what needs a session of its own.
    Direct,
    /// `url` of settings that lead to a standby.
    Standby,
}

/// Where the settings point at this moment: files are read anew by each call of [`Target::read`].
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) sslmode: SslMode,
    pub(crate) tls: TlsOptions,
    pub(crate) login: Login,
    /// Limit of one attempt to reach one host.
    connect_timeout: Duration,
    /// Parameters of the URL that change nothing, after the setting that holds the URL.
    pub(crate) ignored: Option<String>,
    has_odd_password: bool,
}

/// How a connection proves its right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// By the password of the configuration, if it has one.
    Password,
    /// By a token of Microsoft Entra ID.
    Azure,
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
            names_session,
            ignored,
        } = address;
        let login = login(settings)?;
        if config.get_password().is_none()
            && let Some((_, password)) = password(settings)?
        {
            config.password(password.expose_secret());
        }
        if hosts(&config).len() > 1 && !names_session {
            config.target_session_attrs(match route {
                Route::Pooled | Route::Direct => TargetSessionAttrs::ReadWrite,
                Route::Standby => TargetSessionAttrs::ReadOnly,
            });
        }
        let (mode_setting, sslmode) = match sslmode {
            None => ("DB_SSLMODE", mode_of(settings)?),
            named => (setting.as_str(), named),
        };
        let sslmode = match login {
            Login::Password => sslmode.unwrap_or_default(),
            Login::Azure => encrypted(mode_setting, &config, sslmode)?,
        };
        if tls.authorities.is_none() {
            let path = settings.sslrootcert.as_ref();
            tls.authorities = path.map(|path| path.to_string_lossy().into_owned());
        }
        let connect_timeout =
            connect_timeout.unwrap_or(Duration::from_secs(settings.connect_timeout_s.max(1)));
        config
            .connect_timeout(connect_timeout)
            .ssl_mode(sslmode.negotiation());
        keepalives.apply(&mut config);
        let has_odd_password = config
            .get_password()
            .is_some_and(|password| password.trim_ascii() != password);
        Ok(Target {
            config,
            sslmode,
            tls,
            login,
            connect_timeout,
            ignored: (!ignored.is_empty()).then(|| format!("{setting}: {}", ignored.join(", "))),
            has_odd_password,
        })
    }

    /// `host:port/name`, of several hosts `host:port,host:port/name`; for people and logs.
    pub(crate) fn describe(&self) -> String {
        let name = self.config.get_dbname().or(self.config.get_user());
        format!("{}/{}", hosts(&self.config).join(","), name.unwrap_or("postgres"))
    }

    /// How long the whole attempt to connect to one host may take: TCP, TLS and the login.
    pub(crate) fn limit(&self) -> Duration {
        self.connect_timeout.saturating_mul(2)
    }

    /// A hint for a password that the server refused.
    pub(crate) fn password_hint(&self) -> &'static str {
        match self.login {
            Login::Azure => {
                " (the token was refused; the user must be the name of the identity's principal, made by pgaadauth_create_principal)"
            }
            Login::Password if self.has_odd_password => " (the password begins or ends with a blank)",
            Login::Password => "",
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

/// `host:port` of each host, in the order of the settings.
pub(crate) fn hosts(config: &Config) -> Vec<String> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let ports = config.get_ports();
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
    (0..hosts.len().max(addresses.len())).map(host).collect()
}

/// How to log in. A password beside a token would be one of the two that is not used.
fn login(settings: &Settings) -> Result<Login, Invalid> {
    match settings.auth.as_deref().map(str::trim) {
        None | Some("" | "password") => Ok(Login::Password),
        Some("azure") => Ok(Login::Azure),
        Some(_) => Err(Invalid::new("DB_AUTH", "is neither password nor azure")),
    }
}

/// The mode for a login by token: the token is sent as it is, so that it must be encrypted on its
/// way to another machine.
fn encrypted(setting: &str, config: &Config, sslmode: Option<SslMode>) -> Result<SslMode, Invalid> {
    if config.get_password().is_some() {
        let problem =
            "azure logs in with a token, and a password is set, too (DB_PASSWORD or in the URL); keep one";
        return Err(Invalid::new("DB_AUTH", problem));
    }
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let hosts = config.get_hosts();
    let is_local = !hosts.is_empty() && hosts.iter().all(is_here);
    match sslmode {
        Some(sslmode @ (SslMode::Disable | SslMode::Prefer)) if !is_local => Err(Invalid::new(
            setting,
            format!(
                "sslmode={} could send the token in plain text; with DB_AUTH=azure take require or a stricter mode",
                sslmode.name()
            ),
        )),
        Some(sslmode) => Ok(sslmode),
        None if is_local => Ok(SslMode::default()),
        None => Ok(SslMode::Require),
    }
}

/// The password beside the URL or the parts, after the setting that it comes from.
fn password(settings: &Settings) -> Result<Option<(String, SecretString)>, Invalid> {
    let (value, file) = (settings.password.as_ref(), settings.password_file.as_deref());
    secret(value, file, "DB_PASSWORD", Blanks::Kept)
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
        let setting = match route {
            Route::Pooled | Route::Direct => "DATABASE_URL",
            Route::Standby => "READ_DATABASE_URL",
        };
        secret(value, file, setting, Blanks::Cut)
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
    if host.split(',').any(|host| host.trim().contains(['@', ' '])) || host.contains("://") {
        return Err(Invalid::new(
            "DB_HOST",
            "is not the name of a host; a URL belongs into DATABASE_URL",
        ));
    }
    let port = text(
        settings.port.as_ref().map(|port| &port.0),
        settings.port_file.as_deref(),
        "DB_PORT",
    )?;
    let ports = match &port {
        None => vec![5432],
        Some(port) => ports(port)?,
    };
    let hosts = host.split(',').map(host_name).collect::<Result<Vec<&str>, _>>()?;
    if ports.len() != 1 && ports.len() != hosts.len() {
        let problem = format!("holds {} ports for {} hosts", ports.len(), hosts.len());
        return Err(Invalid::new("DB_PORT", problem));
    }
    let user = text(settings.user.as_ref(), settings.user_file.as_deref(), "DB_USER")?;
    let name = text(settings.name.as_ref(), settings.name_file.as_deref(), "DB_NAME")?;
    if let Some(name) = name.as_deref().filter(|name| name.starts_with('/')) {
        let problem = format!("`{name}` looks like what docker sets for a linked container (--link …:db)");
        return Err(Invalid::new("DB_NAME", problem));
    }

    let mut address = Address::default();
    for host in hosts {
        address.config.host(host);
    }
    for port in ports {
        address.config.port(port);
    }
    address.config.user(user.as_deref().unwrap_or("postgres"));
    if let Some(name) = name {
        address.config.dbname(name);
    }
    Ok(address)
}

/// One host: IPv6 addresses may stand in brackets.
fn host_name(host: &str) -> Result<&str, Invalid> {
    let host = host.trim();
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inside.unwrap_or(host) {
        "" => Err(Invalid::new("DB_HOST", "a host between commas is empty")),
        // A path may have a colon, and an IPv6 address has more of them.
        name if !name.starts_with('/') && name.matches(':').count() == 1 || name.contains(['[', ']']) => {
            Err(Invalid::new(
                "DB_HOST",
                "holds a port or a half bracket; the port belongs into DB_PORT",
            ))
        }
        name => Ok(name),
    }
}

/// One port for all hosts, or one for each.
fn ports(text: &str) -> Result<Vec<u16>, Invalid> {
    let port = |port: &str| {
        port.trim().parse().map_err(|_| {
            let problem = format!("`{port}` is not a whole number from 0 to 65535");
            Invalid::new("DB_PORT", problem + setting_text::service_link(port))
        })
    };
    text.split(',').map(port).collect()
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
