//! The address that the settings give at this moment, from a URL or from its parts.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::settings::{Invalid, Settings};
use crate::tls::SslMode;

/// Where the settings point at this moment: files are read anew by each call of [`Target::read`].
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) sslmode: SslMode,
    pub(crate) sslrootcert: Option<String>,
}

/// A parsed address; the TLS part only if the address has one.
struct Address {
    config: Config,
    sslmode: Option<SslMode>,
    sslrootcert: Option<String>,
}

impl Target {
    pub(crate) fn read(settings: &Settings) -> Result<Target, Invalid> {
        let url = secret(
            settings.url.as_ref(),
            settings.url_file.as_deref(),
            "DATABASE_URL",
        )?;
        let Address {
            mut config,
            sslmode,
            sslrootcert,
        } = match url {
            Some(url) => Address::from_url(&url)?,
            None => Address::from_parts(settings)?,
        };
        let sslmode = match sslmode {
            Some(sslmode) => sslmode,
            None => mode_of(settings)?.unwrap_or_default(),
        };
        let sslrootcert = sslrootcert.or_else(|| {
            let path = settings.sslrootcert.as_ref()?;
            Some(path.to_string_lossy().into_owned())
        });
        let connect_timeout = Duration::from_secs(settings.connect_timeout_s.max(1));
        let negotiation = negotiation(&config, sslmode);
        config
            .connect_timeout(connect_timeout)
            .ssl_mode(negotiation)
            .tcp_user_timeout(Duration::from_secs(10))
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        Ok(Target {
            config,
            sslmode,
            sslrootcert,
        })
    }

    /// `host:port/name`, for people and logs.
    pub(crate) fn describe(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self
                .config
                .get_hostaddrs()
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let name = self
            .config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or("postgres");
        format!("{host}:{port}/{name}")
    }
}

impl Address {
    fn from_url(url: &str) -> Result<Address, Invalid> {
        let invalid = |problem: &str| Invalid::new("DATABASE_URL", format!("{problem} (value redacted)"));
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid("does not begin with postgres:// or postgresql://"));
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut sslmode, mut sslrootcert, mut rest) = (None, None, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| invalid("is not UTF-8"))?;
            match name {
                "sslmode" => {
                    let mode =
                        SslMode::parse(&value).map_err(|problem| invalid(&format!("sslmode: {problem}")))?;
                    sslmode = Some(mode);
                }
                "sslrootcert" => sslrootcert = Some(value.into_owned()),
                _ => rest.push(parameter),
            }
        }
        let plain = if rest.is_empty() {
            address.to_owned()
        } else {
            format!("{address}?{}", rest.join("&"))
        };
        // The parser's own message may quote a piece of the value.
        let mut config = Config::from_str(&plain).map_err(|_| invalid("is not a PostgreSQL URL"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid("names no host"));
        }
        if config.get_user().is_none() {
            config.user("postgres");
        }
        Ok(Address {
            config,
            sslmode,
            sslrootcert,
        })
    }

    fn from_parts(settings: &Settings) -> Result<Address, Invalid> {
        let host = text(settings.host.as_ref(), settings.host_file.as_deref(), "DB_HOST")?
            .ok_or_else(|| Invalid::new("DATABASE_URL", "neither it nor DB_HOST is set"))?;
        let port = match (settings.port, &settings.port_file) {
            (Some(port), _) => port,
            (None, None) => 5432,
            (None, Some(path)) => read("DB_PORT_FILE", path)?
                .parse()
                .map_err(|_| Invalid::new("DB_PORT_FILE", "does not hold a port from 0 to 65535"))?,
        };
        let user = text(settings.user.as_ref(), settings.user_file.as_deref(), "DB_USER")?;
        let name = text(settings.name.as_ref(), settings.name_file.as_deref(), "DB_NAME")?;
        let password = secret(
            settings.password.as_ref(),
            settings.password_file.as_deref(),
            "DB_PASSWORD",
        )?;

        let mut config = Config::new();
        config
            .host(host)
            .port(port)
            .user(user.as_deref().unwrap_or("postgres"));
        if let Some(name) = name {
            config.dbname(name);
        }
        if let Some(password) = password {
            config.password(password);
        }
        Ok(Address {
            config,
            sslmode: None,
            sslrootcert: None,
        })
    }
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

fn secret(value: Option<&SecretString>, file: Option<&Path>, name: &str) -> Result<Option<String>, Invalid> {
    text(
        value.map(|value| value.expose_secret().to_owned()).as_ref(),
        file,
        name,
    )
}

fn text(value: Option<&String>, file: Option<&Path>, name: &str) -> Result<Option<String>, Invalid> {
    match (value.filter(|value| !value.is_empty()), file) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Some(path)) => read(&format!("{name}_FILE"), path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The file's text without its last line break.
fn read(setting: &str, path: &Path) -> Result<String, Invalid> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Invalid::new(setting, format!("cannot read {}: {error}", path.display())))?;
    Ok(text
        .strip_suffix('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .unwrap_or(&text)
        .to_owned())
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
        let target = Target::read(&settings).unwrap();

        assert_eq!(target.describe(), "db.example:6543/food");
        assert_eq!(target.config.get_password(), Some("p@ss".as_bytes()));
        assert_eq!(target.sslmode, SslMode::VerifyFull);
        assert_eq!(target.sslrootcert.as_deref(), Some("/ca.pem"));
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
        let target = Target::read(&settings).unwrap();

        assert_eq!(target.describe(), "db:5432/food");
        assert_eq!(target.config.get_password(), Some("0123".as_bytes()));
        assert_eq!(target.sslmode, SslMode::Require);
    }
}
