//! One host of a configuration, for its own role or for another one.

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

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
}

/// The configuration for one of its hosts, and for another role if one is given. A `Config` can
/// forget neither hosts nor its password, so this is a new one.
pub(crate) fn single(config: &Config, role: Option<&Role>, at: usize) -> Config {
    let mut other = Config::new();
    let user = role.map(|role| role.name.as_str()).or(config.get_user());
    let password = match role {
        Some(role) => role
            .password
            .as_ref()
            .map(|password| password.expose_secret().as_bytes()),
        None => config.get_password(),
    };
    if let Some(user) = user {
        other.user(user);
    }
    if let Some(password) = password {
        other.password(password);
    }
    // Without a name the server takes the user's.
    if let Some(name) = config.get_dbname().or(config.get_user()) {
        other.dbname(name);
    }
    if let Some(options) = config.get_options() {
        other.options(options);
    }
    if let Some(name) = config.get_application_name() {
        other.application_name(name);
    }
    other.ssl_mode(config.get_ssl_mode());
    match config.get_hosts().get(at) {
        Some(Host::Tcp(name)) => {
            other.host(name);
        }
        #[cfg(unix)]
        Some(Host::Unix(path)) => {
            // As in libpq, a Unix-domain socket is never encrypted, whatever the mode.
            other.host_path(path).ssl_mode(SslMode::Disable);
        }
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(at) {
        other.hostaddr(*address);
    }
    let ports = config.get_ports();
    if let Some(port) = ports.get(at).or(ports.first()) {
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
        .ssl_negotiation(config.get_ssl_negotiation())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_user_password_and_other_hosts_stays() {
        let url = "options=-cx%3D1&connect_timeout=7&target_session_attrs=read-write&application_name=me";
        let config: Config = format!("postgres://a:secret@h1:1,h2:2/food?{url}")
            .parse()
            .unwrap();

        let role = Role::new("b", None);
        let other = single(&config, Some(&role), 1);

        assert_eq!((other.get_user(), other.get_password()), (Some("b"), None));
        assert_eq!(other.get_dbname(), Some("food"));
        let mut as_before = other.clone();
        as_before.user("a").password("secret");
        assert_eq!(
            as_before,
            format!("postgres://a:secret@h2:2/food?{url}").parse().unwrap()
        );
        assert_eq!(as_before, single(&config, None, 1));
    }

    #[test]
    fn one_port_is_the_port_of_all_hosts() {
        let mut config = Config::new();
        config.host("h1").host("/tmp").port(7).ssl_mode(SslMode::Require);

        let [first, second] = [0, 1].map(|at| single(&config, None, at));

        assert_eq!(
            (first.get_ports(), first.get_ssl_mode()),
            (&[7][..], SslMode::Require)
        );
        assert_eq!(
            (second.get_ports(), second.get_ssl_mode()),
            (&[7][..], SslMode::Disable)
        );
    }

    #[test]
    fn a_database_that_was_named_by_its_user_stays_the_same() {
        let config: Config = "postgres://food:secret@h".parse().unwrap();

        let role = Role::new("b", Some("other".to_owned().into()));
        let other = single(&config, Some(&role), 0);

        assert_eq!(other.get_dbname(), Some("food"));
        assert_eq!(other.get_password(), Some("other".as_bytes()));
    }
}
