//! Hosts and ports of a URL: those of its authority, and the parameters that go before them.

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

use super::{ENCODE, of};

/// Hosts and ports as the URL has them; a port that is left out is empty.
pub(super) struct Hosts {
    names: Vec<String>,
    ports: Vec<String>,
}

impl Hosts {
    /// Takes the hosts out of `user:password@hosts/name`; what is left goes without them.
    pub(super) fn take_from(address: &str) -> Result<(String, Hosts), String> {
        let end = address.find('/').unwrap_or(address.len());
        let (authority, path) = address.split_at(end);
        let start = authority.rfind('@').map_or(0, |at| at + 1);
        let (user, hosts) = authority.split_at(start);
        let is_of_a_host = |char: char| char.is_alphanumeric() || "-._~%[]:,".contains(char);
        if !hosts.chars().all(is_of_a_host) {
            return Err(format!(
                "the host holds a character that no host has; perhaps: {ENCODE}"
            ));
        }
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = split(host).ok_or("a host begins with a bracket that is not closed")?;
            if !port.is_empty() && port.parse::<u16>().is_err() {
                return Err(format!("a port is no number from 0 to 65535; perhaps: {ENCODE}"));
            }
            let name = percent_decode_str(name).decode_utf8();
            names.push(name.map_err(|_| "the host is not UTF-8")?.into_owned());
            ports.push(port.to_owned());
        }
        Ok((format!("{user}{path}"), Hosts { names, ports }))
    }

    /// Takes `host` or `port` of the query, a list as long as there are hosts. As in libpq, it goes
    /// before that of the authority.
    pub(super) fn replace(&mut self, name: &str, value: &str) -> bool {
        let list = value.split(',').map(str::to_owned).collect();
        match name {
            "host" => self.names = list,
            "port" => self.ports = list,
            _ => return false,
        }
        true
    }

    /// Sets them, each host with a port of its own or all with one.
    pub(super) fn apply(self, config: &mut Config) -> Result<(), String> {
        let Hosts { names, ports } = self;
        let count = names.len();
        let is_default = ports.iter().all(String::is_empty);
        if !is_default && ports.len() != 1 && ports.len() != count {
            return Err(of(
                "port",
                &format!("names {} ports for {count} hosts", ports.len()),
            ));
        }
        match names.as_slice() {
            [none] if none.is_empty() => {}
            names if names.iter().any(String::is_empty) => {
                return Err("a host between commas is empty".into());
            }
            names => {
                for name in names {
                    config.host(name);
                }
            }
        }
        for port in ports.iter().take(if is_default { 1 } else { ports.len() }) {
            let number = match port.as_str() {
                "" => Ok(5432),
                port => port.parse(),
            };
            config.port(number.map_err(|_| of("port", "the value (not shown) cannot be used"))?);
        }
        Ok(())
    }
}

/// Name and port of `name:port` or `[address]:port`.
fn split(host: &str) -> Option<(&str, &str)> {
    match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            Some((address, port.strip_prefix(':').unwrap_or(port)))
        }
        None => Some(host.split_once(':').unwrap_or((host, ""))),
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host;

    use crate::url::Address;

    #[test]
    fn hosts_and_ports_of_the_query_go_before_those_of_the_authority() {
        let tcp =
            |names: &[&str]| -> Vec<Host> { names.iter().map(|name| Host::Tcp((*name).into())).collect() };
        let socket = || vec![Host::Unix("/cloudsql/shop:eu:db".into())];
        for (url, hosts, ports) in [
            // As Cloud SQL and Prisma write it.
            (
                "postgres://u:p@localhost/d?host=/cloudsql/shop:eu:db",
                socket(),
                &[5432][..],
            ),
            (
                "postgres://u:p@localhost:5433/d?host=%2Fcloudsql%2Fshop:eu:db",
                socket(),
                &[5433],
            ),
            (
                "postgres://u:p@%2Fcloudsql%2Fshop%3Aeu%3Adb/d?port=7",
                socket(),
                &[7],
            ),
            ("postgres://u:p@h/d?port=5433", tcp(&["h"]), &[5433]),
            ("postgres://u:p@h:1/d?port=2&host=k", tcp(&["k"]), &[2]),
            (
                "postgres:///d?host=h1,h2&port=1,2&user=u",
                tcp(&["h1", "h2"]),
                &[1, 2],
            ),
            ("postgres:///d?host=h1,h2&user=u", tcp(&["h1", "h2"]), &[5432]),
            ("postgres://u@h1,h2:2/d", tcp(&["h1", "h2"]), &[5432, 2]),
            (
                "postgres://u@[::1]:1,[fd00::2]/d",
                tcp(&["::1", "fd00::2"]),
                &[1, 5432],
            ),
            ("postgres:///d?host=::1&user=u", tcp(&["::1"]), &[5432]),
        ] {
            let config = Address::parse(url).unwrap().config;
            assert_eq!(
                (config.get_hosts(), config.get_ports()),
                (&hosts[..], ports),
                "{url}"
            );
            assert_eq!(
                (config.get_user(), config.get_dbname()),
                (Some("u"), Some("d")),
                "{url}"
            );
        }
        for (url, problem) in [
            (
                "postgres://u@h1,h2/d?port=1,2,3",
                "port: names 3 ports for 2 hosts",
            ),
            ("postgres://u@h1,,h2/d", "a host between commas is empty"),
            (
                "postgres://u@[::1/d",
                "a host begins with a bracket that is not closed",
            ),
            ("postgres://u@::1/d", "a port is no number"),
            ("postgres://u@h/d?host=", "names no host"),
            ("postgres://u@h%00/d", "`%00` stands for a NUL"),
            ("postgres://u:p%00@h/d", "`%00` stands for a NUL"),
        ] {
            let said = Address::parse(url).err().unwrap();
            assert!(said.starts_with(problem), "{url}: {said}");
        }
    }
}
