//! The same server and database for another role.

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The role of a connection, in place of the role of the settings.
pub(crate) struct Role {
    name: String,
    password: Option<SecretString>,
}

impl Role {
    pub(crate) fn new(name: &str, password: Option<SecretString>) -> Role {
        Role {
            name: name.to_owned(),
            password,
        }
    }

    /// The same server and database for this role. A `Config` cannot forget its password, so this
    /// is a new one.
    pub(crate) fn instead(&self, config: &Config) -> Config {
        let mut other = Config::new();
        other.user(&self.name);
        if let Some(password) = &self.password {
            other.password(password.expose_secret());
        }
        // Without a name the server takes the user's.
        if let Some(name) = config.get_dbname().or(config.get_user()) {
            other.dbname(name);
        }
        if let Some(options) = config.get_options() {
            other.options(options);
        }
        for host in config.get_hosts() {
            match host {
                Host::Tcp(name) => other.host(name),
                #[cfg(unix)]
                Host::Unix(path) => other.host_path(path),
            };
        }
        for address in config.get_hostaddrs() {
            other.hostaddr(*address);
        }
        for port in config.get_ports() {
            other.port(*port);
        }
        if let Some(limit) = config.get_connect_timeout() {
            other.connect_timeout(*limit);
        }
        if let Some(limit) = config.get_tcp_user_timeout() {
            other.tcp_user_timeout(*limit);
        }
        if let Some(interval) = config.get_keepalives_interval() {
            other.keepalives_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            other.keepalives_retries(retries);
        }
        other
            .keepalives(config.get_keepalives())
            .keepalives_idle(config.get_keepalives_idle())
            .ssl_mode(config.get_ssl_mode())
            .ssl_negotiation(config.get_ssl_negotiation())
            .target_session_attrs(config.get_target_session_attrs())
            .channel_binding(config.get_channel_binding())
            .load_balance_hosts(config.get_load_balance_hosts());
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_user_and_password_stays() {
        let config: Config = "postgres://a:secret@h1:1,h2:2/food?options=-cx%3D1&connect_timeout=7&target_session_attrs=read-write"
            .parse()
            .unwrap();

        let other = Role::new("b", None).instead(&config);

        assert_eq!((other.get_user(), other.get_password()), (Some("b"), None));
        assert_eq!(other.get_dbname(), Some("food"));
        let mut as_before = other.clone();
        as_before.user("a").password("secret");
        assert_eq!(as_before, config);
    }

    #[test]
    fn a_database_that_was_named_by_its_user_stays_the_same() {
        let config: Config = "postgres://food:secret@h".parse().unwrap();

        let other = Role::new("b", Some("other".to_owned().into())).instead(&config);

        assert_eq!(other.get_dbname(), Some("food"));
        assert_eq!(other.get_password(), Some("other".as_bytes()));
    }
}
