//! The address in a URL, with the parameters of libpq and those that providers and other drivers
//! add.
//!
//! A parameter is taken, ignored with a warning, or refused by its name. No message shows a value:
//! with a password that was not percent-encoded any part of the URL may be a piece of it.

mod hosts;

use std::str::FromStr as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

use crate::tls::{SslMode, TlsOptions};
use hosts::Hosts;

/// Parameters of other drivers and poolers that change nothing for these programs.
const IGNORED: [&str; 44] = [
    "application_name",
    "ApplicationName",
    "binary_parameters",
    "connection_limit",
    "default_query_exec_mode",
    "description_cache_capacity",
    "gssdelegation",
    "gsslib",
    "idle_timeout",
    "krbsrvname",
    "max",
    "max_conns",
    "max_lifetime",
    "min_conns",
    "pgbouncer",
    "pool",
    "pool_health_check_period",
    "pool_max_conn_idle_time",
    "pool_max_conn_lifetime",
    "pool_max_conns",
    "pool_min_conns",
    "pool_mode",
    "pool_size",
    "pool_timeout",
    "prepared_statement_cache_size",
    "prepared_statements",
    "preparedStatementCacheQueries",
    "prepareThreshold",
    "reWriteBatchedInserts",
    "serverVersion",
    "socket_timeout",
    "sslaccept",
    "sslcompression",
    "statement_cache_capacity",
    "statement_cache_mode",
    "statement_cache_size",
    "stringtype",
    "supa",
    "tcpKeepAlive",
    "timeout",
    "TimeZone",
    "timezone",
    "uselibpqcompat",
    "workaround",
];

/// Parameters that tokio-postgres reads as libpq does.
const TAKEN: [&str; 7] = [
    "channel_binding",
    "dbname",
    "hostaddr",
    "load_balance_hosts",
    "options",
    "password",
    "user",
];

const ENCODE: &str = "percent-encode the password and the user name (@ is %40, : is %3A, / is %2F, ? is %3F, \
                      # is %23, % is %25)";

/// A parsed address; each part only if the URL has one.
#[derive(Default)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) sslmode: Option<SslMode>,
    pub(crate) tls: TlsOptions,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) keepalives: Keepalives,
    /// Whether the URL says which sessions will do (`target_session_attrs`).
    pub(crate) names_session: bool,
    /// Names of parameters that change nothing.
    pub(crate) ignored: Vec<String>,
}

/// How a silent server is found out, as far as the URL says.
#[derive(Default)]
pub(crate) struct Keepalives {
    pub(crate) enabled: Option<bool>,
    pub(crate) idle: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) tcp_user_timeout: Option<Duration>,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without any of its values.
    pub(crate) fn parse(url: &str) -> Result<Address, String> {
        let rest = without_scheme(url)?;
        if rest.matches('@').count() > 1 || has_a_late_at(rest) {
            return Err(format!("an `@` stands where none can be: {ENCODE}"));
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        check_encoding(address)?;
        let (address, mut hosts) = Hosts::take_from(address)?;
        let plain = format!("postgres://{address}");
        let config =
            Config::from_str(&plain).map_err(|_| format!("is not a PostgreSQL URL; perhaps: {ENCODE}"))?;
        let mut parsed = Address {
            config,
            ..Address::default()
        };
        let mut taken = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let Some((name, value)) = decoded(parameter) else {
                return Err(format!(
                    "a parameter is not of the form name=value; perhaps: {ENCODE}"
                ));
            };
            if hosts.replace(&name, &value) {
                continue;
            } else if TAKEN.contains(&name.as_str()) {
                taken.push(parameter.to_owned());
            } else if let Some(more) = parsed
                .take(&name, &value)
                .map_err(|problem| of(&name, &problem))?
            {
                taken.push(more);
            }
        }
        if !taken.is_empty() {
            // One by one first, to name the one that cannot be used.
            for parameter in &taken {
                let name = parameter.split('=').next().unwrap_or_default();
                let alone = Config::from_str(&format!("postgres://h?{parameter}"));
                alone.map_err(|_| of(name, "the value (not shown) cannot be used"))?;
            }
            let all = format!("{plain}?{}", taken.join("&"));
            parsed.config = Config::from_str(&all).map_err(|_| "is not a PostgreSQL URL".to_owned())?;
        }
        hosts.apply(&mut parsed.config)?;
        parsed.check()
    }

    fn check(mut self) -> Result<Address, String> {
        if self.config.get_hosts().is_empty() && self.config.get_hostaddrs().is_empty() {
            return Err("names no host".into());
        }
        if self.config.get_user().is_none_or(str::is_empty) {
            self.config.user("postgres");
        }
        let is_strict = !matches!(self.sslmode, None | Some(SslMode::Disable | SslMode::Prefer));
        if self.tls.direct && !is_strict {
            return Err(of(
                "sslnegotiation",
                "direct needs sslmode=require or a stricter one",
            ));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return Err("sslcert and sslkey go together: the certificate and its key, two PEM files".into());
        }
        Ok(self)
    }

    /// Takes a parameter of libpq or a relative; `Some` is for tokio-postgres.
    fn take(&mut self, name: &str, value: &str) -> Result<Option<String>, String> {
        match name {
            "sslmode" => self.sslmode = Some(SslMode::parse(value)?),
            // Of JDBC and node-postgres; asyncpg writes modes.
            "ssl" => match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "on" | "yes" | "" => {
                    self.sslmode.get_or_insert(SslMode::Require);
                }
                "false" | "0" | "off" | "no" => {
                    self.sslmode.get_or_insert(SslMode::Prefer);
                }
                mode => self.sslmode = Some(SslMode::parse(mode)?),
            },
            // As in libpq, an empty path is none.
            "sslrootcert" | "sslcert" | "sslkey" | "sslcrl" if value.is_empty() => {}
            "sslrootcert" => self.tls.authorities = Some(value.to_owned()),
            "sslcert" => self.tls.certificate = Some(value.to_owned()),
            "sslkey" => self.tls.key = Some(value.to_owned()),
            "sslcrl" => self.tls.revocations = Some(value.to_owned()),
            "sslsni" => self.tls.without_name = !boolean(value)?,
            "sslnegotiation" => {
                self.tls.direct = one_of(value, &["postgres", "direct"])? == "direct";
                return Ok(Some(format!("sslnegotiation={value}")));
            }
            "ssl_min_protocol_version" => {
                let version = one_of(value, &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"])?;
                self.tls.without_1_2 = version == "TLSv1.3";
            }
            "ssl_max_protocol_version" => {
                self.tls.without_1_3 = one_of(value, &["TLSv1.2", "TLSv1.3"])? == "TLSv1.2";
            }
            // As in libpq, zero and less are no limit: then the settings decide.
            "connect_timeout" => self.connect_timeout = positive(value)?.map(Duration::from_secs),
            "tcp_user_timeout" => {
                self.keepalives.tcp_user_timeout = positive(value)?.map(Duration::from_millis);
            }
            "keepalives" => self.keepalives.enabled = Some(boolean(value)?),
            "keepalives_idle" => self.keepalives.idle = positive(value)?.map(Duration::from_secs),
            "keepalives_interval" => self.keepalives.interval = positive(value)?.map(Duration::from_secs),
            "keepalives_count" | "keepalives_retries" => {
                self.keepalives.retries = positive(value)?.and_then(|count| u32::try_from(count).ok());
            }
            "target_session_attrs" => {
                let accepted = ["any", "read-write", "read-only", "primary", "standby"];
                let attributes = match one_of(value, &accepted)? {
                    "primary" => "read-write",
                    "standby" => "read-only",
                    other => other,
                };
                self.names_session = true;
                return Ok(Some(format!("target_session_attrs={attributes}")));
            }
            // The others are those of Symfony and Rails.
            "client_encoding" | "charset" | "encoding" => {
                let encoding = value.to_ascii_lowercase().replace(['-', '_'], "");
                one_of(&encoding, &["utf8", "auto", "unicode"]).map_err(|_| "only UTF8 can be used")?;
            }
            "gssencmode" => {
                one_of(value, &["disable", "prefer"])?;
            }
            "min_protocol_version" => {
                one_of(value, &["3.0"])?;
            }
            "max_protocol_version" => {
                one_of(value, &["3.0", "3.2", "latest"])?;
            }
            "fallback_application_name" => {}
            "schema" | "currentSchema" if value == "public" => self.ignored.push(name.to_owned()),
            "schema" | "currentSchema" | "search_path" => {
                return Err("cannot be used here; write options=-csearch_path%3D…".into());
            }
            "require_auth" => {
                return Err("cannot be enforced here; leave it out, or write channel_binding=require".into());
            }
            "sslcrldir" => return Err("cannot be used here; name one file in sslcrl".into()),
            "sslpassword" => {
                return Err("cannot be used here: the key in sslkey must not be encrypted".into());
            }
            "passfile" => return Err("cannot be used here; name a file in DB_PASSWORD_FILE".into()),
            _ if IGNORED.contains(&name) => self.ignored.push(name.to_owned()),
            _ => return Err("is no parameter that is known here".into()),
        }
        Ok(None)
    }
}

/// What follows the scheme.
fn without_scheme(url: &str) -> Result<&str, String> {
    if let Some(rest) = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
    {
        return Ok(rest);
    }
    let hint = if url.starts_with(['"', '\'']) {
        "it begins with a quotation mark, which belongs to the value in files of variables"
    } else if url.starts_with("jdbc:") || url.starts_with("postgres+") || url.starts_with("postgresql+") {
        "it names a driver in front"
    } else if url.contains("postgres://") || url.contains("postgresql://") {
        "something else stands in front of it"
    } else if url.starts_with('$') {
        "it is the name of a variable that nothing has replaced"
    } else if url.contains("host=") && !url.contains("://") {
        "it is a list of name=value; write it as a URL, or use DB_HOST, DB_USER, DB_PASSWORD and DB_NAME"
    } else {
        ""
    };
    let problem = "does not begin with postgres:// or postgresql://";
    Err(match hint {
        "" => problem.into(),
        hint => format!("{problem}: {hint}"),
    })
}

/// An `@` after the host belongs to a password with a `/` or a `?` in it.
fn has_a_late_at(rest: &str) -> bool {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.get(end..).is_some_and(|late| late.contains('@'))
}

/// A `%` that does not begin an encoded byte was meant as itself.
fn check_encoding(address: &str) -> Result<(), String> {
    let is_hex = |digit: Option<&u8>| digit.is_some_and(u8::is_ascii_hexdigit);
    let bytes = address.as_bytes();
    let is_wrong =
        |at: usize| bytes.get(at) == Some(&b'%') && !(is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2)));
    if (0..bytes.len()).any(is_wrong) {
        Err(format!("a `%` is not followed by two hex digits: {ENCODE}"))
    } else if address.contains("%00") {
        Err("`%00` stands for a NUL, which no part can hold".into())
    } else {
        Ok(())
    }
}

/// Name and value; `None` unless the name looks like one.
fn decoded(parameter: &str) -> Option<(String, String)> {
    let (name, value) = parameter.split_once('=')?;
    let name = percent_decode_str(name).decode_utf8().ok()?.into_owned();
    let value = percent_decode_str(value).decode_utf8().ok()?.into_owned();
    let is_name = name.len() <= 40
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, value))
}

/// The problem of a parameter.
fn of(name: &str, problem: &str) -> String {
    format!("{name}: {problem}")
}

fn one_of<'a>(value: &'a str, accepted: &[&str]) -> Result<&'a str, String> {
    match accepted.contains(&value) {
        true => Ok(value),
        false => Err(format!("is none of {}", accepted.join(", "))),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    one_of(value, &["0", "1"]).map(|value| value == "1")
}

/// A whole number; `None` for zero and less.
fn positive(value: &str) -> Result<Option<u64>, String> {
    let number: i64 = value.trim().parse().map_err(|_| "is not a whole number")?;
    Ok(u64::try_from(number).ok().filter(|number| *number > 0))
}

#[cfg(test)]
mod tests;
