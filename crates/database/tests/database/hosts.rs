//! Tests of several hosts: the first one that takes writes is used, whatever the others do.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use database::{ConnectError, Settings, channels, pool::Pool};
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl as _;
use test_support::OwnCluster;

use crate::{database, said};

/// Shorter than the limit of a silent host.
const SOON: Duration = Duration::from_secs(2);

/// Takes connections and says nothing, as the kernel of a frozen machine does.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn closed() -> u16 {
    silent().1
}

/// Settings for the superuser of `cluster` at all these ports.
fn at(ports: &[u16], cluster: &OwnCluster) -> Settings {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!(
        "postgres://postgres:{}@{}/postgres",
        cluster.password(),
        hosts.join(",")
    );
    test_support::settings(&url)
}

async fn in_recovery(client: &tokio_postgres::Client) -> bool {
    let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn a_silent_host_delays_neither_connections_nor_listening_nor_the_pool() {
    let cluster = OwnCluster::start();
    let (first, second) = (silent(), silent());
    let database = database(&at(&[first.1, second.1, cluster.port()], &cluster));

    let started = Instant::now();
    database.connect().await.unwrap();
    database.listen(channels::DATASET_PUBLISHED).await.unwrap();
    let pool = Pool::new(&database, 1, SOON);
    let mut connection = pool.get().await.unwrap();
    let answer: bool = diesel::select(diesel::dsl::sql::<Bool>("true"))
        .get_result(&mut connection)
        .await
        .unwrap();

    assert!(answer);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test]
async fn of_a_primary_and_its_standby_the_primary_is_taken_unless_the_url_says_otherwise() {
    let mut primary = OwnCluster::start();
    let standby = primary.standby();
    let ports = [standby.port(), primary.port()];
    let url = |attributes: &str| {
        let mut settings = at(&ports, &primary);
        let url = secrecy(&settings);
        settings.url = Some(format!("{url}{attributes}").into());
        settings
    };
    let parts = Settings {
        host: Some("127.0.0.1, localhost".into()),
        user: Some("postgres".into()),
        password: Some(primary.password().to_owned().into()),
        name: Some("postgres".into()),
        ..port_list(&ports)
    };

    for (settings, is_standby) in [
        (url(""), false),
        (parts, false),
        (url("?target_session_attrs=any"), true),
        (url("?target_session_attrs=standby"), true),
        (url("?load_balance_hosts=random"), false),
    ] {
        for _ in 0..3 {
            let client = database(&settings).connect().await.unwrap();
            assert_eq!(in_recovery(&client).await, is_standby, "{settings:?}");
        }
    }
}

fn secrecy(settings: &Settings) -> String {
    use secrecy::ExposeSecret as _;
    settings.url.as_ref().unwrap().expose_secret().to_owned()
}

/// `DB_PORT` with one port for each host, as it comes from the environment.
fn port_list(ports: &[u16]) -> Settings {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    serde_json::from_value(serde_json::json!({ "port": ports.join(",") })).unwrap()
}

#[tokio::test]
async fn a_message_names_each_host_with_its_own_reason() {
    let mut primary = OwnCluster::start();
    let standby = primary.standby();
    let (_listener, silent) = silent();
    let (closed, standby) = (closed(), standby.port());
    let mut settings = at(&[silent, closed, standby], &primary);
    settings.connect_timeout_s = 1;

    let started = Instant::now();
    let error = database(&settings).connect().await.unwrap_err();

    assert!(error.is_unreachable(), "{error:?}");
    let text = said(&error);
    for part in [
        format!("127.0.0.1:{silent}: no answer within 2 s; "),
        format!("127.0.0.1:{closed}: error connecting to server: Connection refused"),
        format!("; 127.0.0.1:{standby}: takes no writes: it is a standby"),
    ] {
        assert!(text.contains(&part), "{text}");
    }
    assert!(!text.contains(primary.password()), "{text}");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_host_that_refuses_the_password_does_not_end_a_failover() {
    let (here, other) = (OwnCluster::start(), OwnCluster::start());
    let closed = closed();

    let passing = database(&at(&[other.port(), closed], &here))
        .connect()
        .await
        .unwrap_err();
    let found = database(&at(&[other.port(), here.port()], &here)).connect().await;
    let third = OwnCluster::start();
    let refused = database(&at(&[other.port(), third.port()], &here))
        .connect()
        .await
        .unwrap_err();

    assert!(passing.is_unreachable(), "{passing:?}");
    assert!(
        said(&passing).contains("password authentication failed"),
        "{}",
        said(&passing)
    );
    found.unwrap();
    assert!(matches!(refused, ConnectError::Refused { .. }), "{refused:?}");
    for port in [other.port(), third.port()] {
        let part = format!("127.0.0.1:{port}: db error: FATAL: password authentication failed");
        assert!(said(&refused).contains(&part), "{}", said(&refused));
    }
}

#[test]
fn lists_of_hosts_and_ports_that_do_not_fit_are_named() {
    let refusal = |host: &str, port: &str| {
        let settings = serde_json::json!({ "host": host, "port": port });
        let settings: Settings = serde_json::from_value(settings).unwrap();
        database::Database::new(&settings, "test")
            .err()
            .unwrap()
            .to_string()
    };

    assert_eq!(refusal("a,b", "1,2,3"), "DB_PORT: holds 3 ports for 2 hosts");
    assert_eq!(refusal("a,,b", "1"), "DB_HOST: a host between commas is empty");
    assert!(refusal("a,b", "1,x").starts_with("DB_PORT: `x` is not a whole number"));
    assert!(refusal("a b,c", "1").starts_with("DB_HOST: is not the name of a host"));
}
