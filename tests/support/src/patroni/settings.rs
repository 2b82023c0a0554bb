//! What the programs of a trio are told: the settings that docs/HIGH_AVAILABILITY.md explains.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Child;

/// Of every role: nothing but a test reaches these servers.
pub(super) const PASSWORD: &str = "outage";

/// One member.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    /// Port of Patroni's API.
    pub(super) api: u16,
    /// Port of PostgreSQL.
    pub(super) sql: u16,
    pub(super) patroni: Option<Child>,
}

/// Seconds until the leader key of a silent primary ends; Patroni takes no lower value.
const TTL: u32 = 20;

/// `patroni.yaml` of one node.
pub(super) fn patroni(node: &Node, etcd: &[u16], home: &Path, programs: &Path) -> String {
    let Node { name, api, sql, .. } = node;
    let etcd: Vec<String> = etcd.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (etcd, home, programs) = (etcd.join(","), home.display(), programs.display());
    format!(
        r#"scope: food
name: {name}
restapi: {{listen: "127.0.0.1:{api}", connect_address: "127.0.0.1:{api}"}}
etcd3: {{hosts: "{etcd}"}}
bootstrap:
  dcs:
    ttl: {TTL}
    loop_wait: 1
    retry_timeout: 3
    primary_start_timeout: 0
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters:
        max_connections: 100
        hot_standby: "on"
        wal_level: replica
        wal_log_hints: "on"
        wal_keep_size: 128MB
        synchronous_commit: "on"
        wal_sender_timeout: 5s
        wal_receiver_timeout: 5s
        wal_receiver_status_interval: 1s
        wal_retrieve_retry_interval: 500ms
  initdb: [{{encoding: UTF8}}, {{locale: C}}, data-checksums]
postgresql:
  listen: "127.0.0.1:{sql}"
  connect_address: "127.0.0.1:{sql}"
  data_dir: "{home}/{name}"
  bin_dir: "{programs}"
  pgpass: "{home}/{name}.pgpass"
  authentication:
    superuser: {{username: postgres, password: "{PASSWORD}"}}
    replication: {{username: replicator, password: "{PASSWORD}"}}
    rewind: {{username: rewinder, password: "{PASSWORD}"}}
  parameters: {{unix_socket_directories: "{home}"}}
  pg_hba:
    - local all all trust
    - host all all 127.0.0.1/32 scram-sha-256
    - host replication replicator 127.0.0.1/32 scram-sha-256
watchdog: {{mode: "off"}}
"#
    )
}

/// `haproxy.cfg`: writes go to the primary that Patroni names.
pub(super) fn proxy(port: u16, nodes: &[Node]) -> String {
    let mut text = format!(
        "global
  maxconn 400
defaults
  mode tcp
  timeout connect 1s
  timeout client 30m
  timeout server 30m
  timeout check 1s
listen primary
  bind 127.0.0.1:{port}
  option httpchk
  http-check send meth GET uri /primary
  http-check expect status 200
  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
"
    );
    for Node { name, api, sql, .. } in nodes {
        let _ = writeln!(text, "  server {name} 127.0.0.1:{sql} check port {api}");
    }
    text
}
