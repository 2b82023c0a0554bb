//! The processes of three nodes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::Patroni;
use super::settings::{self, Node, PASSWORD};
use crate::cluster::ending::Ending;
use crate::cluster::programs::{
    folder, give_to_owner, owned_folder, signal_with_children, temporary_folder, tool,
};
use crate::database::connect;
use crate::free_port;

/// From an empty folder to three members that stream, beside other load.
const START: Duration = Duration::from_secs(120);

/// Three members of a Patroni cluster with one synchronous standby; all is gone when dropped.
#[derive(Debug)]
pub struct Trio {
    home: PathBuf,
    /// Patroni, where the user of PostgreSQL may reach it.
    program: PathBuf,
    nodes: Vec<Node>,
    proxy: u16,
    others: Vec<Child>,
    ending: Ending,
}

impl Trio {
    /// An empty cluster of which every member is well.
    #[must_use]
    pub fn start(patroni: &Patroni) -> Self {
        let [etcd, haproxy] = ["etcd", "haproxy"].map(tool);
        let home = owned_folder(&temporary_folder(), "order-food-trio");
        let node = |number| Node {
            name: format!("n{number}"),
            api: free_port(),
            sql: free_port(),
            patroni: None,
        };
        let mut trio = Self {
            program: patroni.installed_in(&home),
            nodes: (1..=3).map(node).collect(),
            proxy: free_port(),
            others: Vec::new(),
            ending: Ending::of(&home),
            home,
        };
        let clients = trio.start_etcd(&etcd);
        for node in &trio.nodes {
            let text = settings::patroni(node, &clients, &trio.home, &folder());
            let file = trio.settings_of(node);
            std::fs::write(&file, text).expect("write a node's settings");
            give_to_owner(&file);
        }
        for node in 0..trio.nodes.len() {
            trio.revive(node);
        }
        let file = trio.home.join("haproxy.cfg");
        std::fs::write(&file, settings::proxy(trio.proxy, &trio.nodes)).expect("write the proxy's settings");
        let mut proxy = Command::new(haproxy);
        proxy.arg("-f").arg(&file);
        trio.spawn_other(proxy, "haproxy");
        let deadline = Instant::now() + START;
        while !trio.is_whole() {
            assert!(
                Instant::now() < deadline,
                "the cluster does not start: {}",
                trio.logs()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        trio
    }

    /// Returns the ports for clients.
    fn start_etcd(&mut self, program: &Path) -> Vec<u16> {
        let ports: Vec<(u16, u16)> = (0..3).map(|_| (free_port(), free_port())).collect();
        let members: Vec<String> = ports
            .iter()
            .enumerate()
            .map(|(number, (_, peers))| format!("e{number}=http://127.0.0.1:{peers}"))
            .collect();
        for (number, (clients, peers)) in ports.iter().enumerate() {
            let mut etcd = Command::new(program);
            etcd.args(["--name", &format!("e{number}"), "--initial-cluster-state", "new"])
                .args(["--initial-cluster", &members.join(",")])
                .arg("--data-dir")
                .arg(self.home.join(format!("e{number}")));
            for option in ["--listen-client-urls", "--advertise-client-urls"] {
                etcd.args([option, &format!("http://127.0.0.1:{clients}")]);
            }
            for option in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
                etcd.args([option, &format!("http://127.0.0.1:{peers}")]);
            }
            self.spawn_other(etcd, &format!("etcd{number}"));
        }
        ports.into_iter().map(|(clients, _)| clients).collect()
    }

    fn spawn_other(&mut self, command: Command, name: &str) {
        let child = self.spawn(command, name);
        self.others.push(child);
    }

    fn spawn(&self, mut command: Command, name: &str) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.join(format!("{name}.log")))
            .expect("a log file");
        let copy = log.try_clone().expect("a log file twice");
        command.stdin(Stdio::null()).stdout(log).stderr(copy);
        command
            .spawn()
            .unwrap_or_else(|error| panic!("start {name}: {error}"))
    }

    fn settings_of(&self, node: &Node) -> PathBuf {
        self.home.join(format!("{}.yaml", node.name))
    }

    /// The ends of all log files.
    fn logs(&self) -> String {
        let tail = Command::new("sh")
            .args(["-c", "tail -n 15 \"$0\"/*.log"])
            .arg(&self.home)
            .output();
        tail.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    /// Starts Patroni of a member on which it does not run.
    pub fn revive(&mut self, node: usize) {
        let ended = match &mut self.nodes[node].patroni {
            Some(patroni) => patroni.try_wait().is_ok_and(|status| status.is_some()),
            None => true,
        };
        if ended {
            let command = Patroni::command(&self.program, &self.settings_of(&self.nodes[node]));
            let patroni = self.spawn(command, &self.nodes[node].name);
            self.nodes[node].patroni = Some(patroni);
        }
    }

    /// Sends a signal to a whole member, Patroni and PostgreSQL: `KILL` is the end of a machine,
    /// `STOP` a frozen one until `CONT`.
    pub fn signal(&mut self, node: usize, name: &str) {
        let patroni = self.nodes[node].patroni.as_ref().expect("Patroni runs").id();
        signal_with_children(name, &patroni.to_string());
        self.signal_server(node, name);
    }

    /// Sends a signal to PostgreSQL of a member alone.
    pub fn signal_server(&self, node: usize, name: &str) {
        let file = self.home.join(&self.nodes[node].name).join("postmaster.pid");
        let file = std::fs::read_to_string(file).expect("a running server has a postmaster.pid");
        signal_with_children(name, file.lines().next().expect("its process id").trim());
    }

    /// Asks Patroni for a planned switchover from a member to another one; waits for its answer.
    pub fn switch_over(&self, from: usize, to: usize) {
        let [from, to] = [from, to].map(|node| &self.nodes[node]);
        let body = serde_json::json!({ "leader": from.name, "candidate": to.name });
        let url = format!("http://127.0.0.1:{}/switchover", from.api);
        let output = curl(&["--max-time", "30", "--data", &body.to_string(), &url]);
        let said = output.unwrap_or_default();
        assert!(said.contains("witched over"), "{said}");
    }

    /// Whether a member says that it is the primary.
    #[must_use]
    pub fn is_primary(&self, node: usize) -> bool {
        let url = format!("http://127.0.0.1:{}/primary", self.nodes[node].api);
        curl(&["--max-time", "0.5", "--fail", &url]).is_some()
    }

    /// The primary and the synchronous standby, when every member is well.
    #[must_use]
    pub fn leader_and_standby(&self) -> Option<(usize, usize)> {
        let members = self.nodes.iter().find_map(|node| {
            let url = format!("http://127.0.0.1:{}/cluster", node.api);
            let said = curl(&["--max-time", "0.5", "--fail", &url])?;
            serde_json::from_str::<Value>(&said).ok()
        })?;
        let members = members["members"].as_array()?;
        let states: Vec<&str> = members
            .iter()
            .filter_map(|member| member["state"].as_str())
            .collect();
        let well = |states: &[&str]| {
            states
                .iter()
                .all(|state| ["running", "streaming"].contains(state))
        };
        let with_role = |role: &str| {
            let member = members.iter().find(|member| member["role"] == role)?;
            self.nodes.iter().position(|node| member["name"] == *node.name)
        };
        let found = (with_role("leader")?, with_role("sync_standby")?);
        (states.len() == self.nodes.len() && well(&states) && self.is_primary(found.0)).then_some(found)
    }

    /// Whether every member is well.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.leader_and_standby().is_some()
    }

    /// Address of the primary through HAProxy, for the superuser.
    #[must_use]
    pub fn proxied_url(&self) -> String {
        url(&format!("127.0.0.1:{}", self.proxy))
    }

    /// Address of all members, `first` before the others.
    #[must_use]
    pub fn url_of_all(&self, first: usize) -> String {
        let others = (0..self.nodes.len()).filter(|node| *node != first);
        let hosts = std::iter::once(first).chain(others);
        let hosts: Vec<String> = hosts
            .map(|node| format!("127.0.0.1:{}", self.nodes[node].sql))
            .collect();
        url(&hosts.join(","))
    }

    /// What Patroni and `pg_stat_replication` call a member.
    #[must_use]
    pub fn name(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    /// One connection to a member.
    pub async fn client(&self, node: usize) -> tokio_postgres::Client {
        connect(&url(&format!("127.0.0.1:{}", self.nodes[node].sql))).await
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        self.ending.end();
        let patronis = self.nodes.iter_mut().filter_map(|node| node.patroni.as_mut());
        for child in patronis.chain(&mut self.others) {
            let _ = child.wait();
        }
    }
}

fn url(hosts: &str) -> String {
    format!("postgres://postgres:{PASSWORD}@{hosts}/postgres")
}

/// Answer of an HTTP server, if there is one.
fn curl(arguments: &[&str]) -> Option<String> {
    let output = Command::new("curl").arg("--silent").args(arguments).output();
    let output = output.expect("run curl");
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
