//! Tests of connecting: refusals, waiting, roles and settings files.

use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use database::{ConnectError, Database, Settings};
use test_support::{Cluster, OwnCluster, Stop, TestDatabase};
use tracing_subscriber::fmt::MakeWriter;

use crate::{as_admin, database, said, settings};

/// Longer than any of these may take, shorter than the wait that would be wrong.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A wait that a test must not sit through.
const LONG: Duration = Duration::from_secs(300);

/// Waiting ends at once, with a refusal that says `reason` and not the password.
pub(crate) async fn is_refused_at_once(settings: &Settings, reason: &str) {
    let started = Instant::now();

    let error = database(settings).wait(LONG).await.unwrap_err();

    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert!(said(&error).contains(reason), "{}", said(&error));
    assert!(!said(&error).contains("hunter2"), "{}", said(&error));
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once() {
    let own = OwnCluster::start();
    for (url, password) in [
        (
            Cluster::shared().admin_url().to_owned(),
            password(Cluster::shared().admin_url()),
        ),
        (own.url(), own.password().to_owned()),
    ] {
        let wrong = url.replace(&password, "hunter2");
        is_refused_at_once(&test_support::settings(&wrong), "password authentication failed").await;
    }
}

/// The password inside a URL.
fn password(url: &str) -> String {
    let (authority, _) = url.split_once('@').unwrap();
    authority.rsplit_once(':').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_missing_password_is_refused_at_once() {
    let url = format!(
        "postgres://postgres@127.0.0.1:{}/postgres",
        Cluster::shared().port()
    );

    is_refused_at_once(&test_support::settings(&url), "password").await;
}

#[tokio::test]
async fn an_unknown_database_is_refused_at_once() {
    let url = TestDatabase::empty().await.url().replace("/test_", "/no_such_");

    is_refused_at_once(&test_support::settings(&url), "does not exist").await;
}

#[tokio::test]
async fn a_role_that_may_not_connect_is_refused_at_once() {
    let database = TestDatabase::empty().await;
    as_admin(&format!(
        "CREATE ROLE may_not_connect LOGIN PASSWORD 'hunter2';
             REVOKE CONNECT ON DATABASE {} FROM public",
        database.name()
    ))
    .await;
    let port = Cluster::shared().port();
    let url = format!(
        "postgres://may_not_connect:hunter2@127.0.0.1:{port}/{}",
        database.name()
    );

    is_refused_at_once(&test_support::settings(&url), "permission denied").await;
}

#[tokio::test]
async fn options_that_the_server_does_not_know_are_refused_at_once() {
    let url = Cluster::shared().admin_url();
    for (options, reason) in [
        // Of Neon, CockroachDB and Supabase, sent to another server.
        ("endpoint%3Dep-cool-1", "invalid command-line argument"),
        ("--cluster%3Dcool-1", "unrecognized configuration parameter"),
        ("-cstatement_timeout%3Dsoon", "invalid value for parameter"),
        ("-cport%3D1", "cannot be changed"),
    ] {
        let settings = test_support::settings(&format!("{url}?options={options}"));
        is_refused_at_once(&settings, reason).await;
    }
}

#[tokio::test]
async fn a_log_in_that_the_server_does_not_offer_is_refused_at_once() {
    let url = format!(
        "{}?channel_binding=require&sslmode=disable",
        Cluster::shared().admin_url()
    );

    is_refused_at_once(&test_support::settings(&url), "authentication error").await;
}

#[tokio::test]
async fn the_longest_time_for_an_attempt_is_no_fault() {
    let settings = Settings {
        connect_timeout_s: u64::MAX,
        ..test_support::settings(Cluster::shared().admin_url())
    };

    assert!(database(&settings).connect().await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_full_is_unreachable_for_now() {
    as_admin("CREATE ROLE crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 0").await;
    let url = format!(
        "postgres://crowded:crowded@127.0.0.1:{}/postgres",
        Cluster::shared().port()
    );

    let error = database(&test_support::settings(&url))
        .connect()
        .await
        .unwrap_err();

    assert!(error.is_unreachable(), "{error:?}");
    assert!(said(&error).contains("too many connections"), "{}", said(&error));
}

#[tokio::test]
async fn a_closed_port_is_unreachable_when_the_wait_is_over() {
    let port = {
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        socket.local_addr().unwrap().port()
    };
    let url = format!("postgres://u:hunter2@127.0.0.1:{port}/shop");
    let (wait, started) = (Duration::from_millis(700), Instant::now());

    let error = database(&test_support::settings(&url))
        .wait(wait)
        .await
        .unwrap_err();

    assert!(error.is_unreachable(), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("the database 127.0.0.1:{port}/shop cannot be reached")
    );
    assert!(!said(&error).contains("hunter2"), "{}", said(&error));
    assert!(started.elapsed() >= wait);
    assert!(started.elapsed() < AT_ONCE);
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing_is_unreachable() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("postgres://u@{}/shop", silent.local_addr().unwrap());
    let settings = settings(&url, |settings| settings.connect_timeout_s = 1);
    let started = Instant::now();

    let error = database(&settings).connect().await.unwrap_err();

    assert!(error.is_unreachable(), "{error:?}");
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_wakes_up_slowly_is_waited_for_as_long_as_the_url_says() {
    let cluster = OwnCluster::start();
    let behind = cluster.port();
    let proxy = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = proxy.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = proxy.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let mut server = tokio::net::TcpStream::connect(("127.0.0.1", behind))
                    .await
                    .unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let url = cluster
        .url()
        .replace(&format!(":{behind}/"), &format!(":{port}/"));

    let late = database(&test_support::settings(&url))
        .connect()
        .await
        .unwrap_err();
    assert!(said(&late).contains("no answer within 4 s"), "{}", said(&late));
    for patient in [
        test_support::settings(&format!("{url}?connect_timeout=10")),
        settings(&url, |settings| settings.connect_timeout_s = 10),
    ] {
        database(&patient).connect().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_breaks_during_the_tls_handshake_is_unreachable() {
    let server = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!(
        "postgres://u@{}/shop?sslmode=require",
        server.local_addr().unwrap()
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let _ = stream.read(&mut [0; 8]).await;
            let _ = stream.write_all(b"S").await;
        }
    });

    let error = database(&test_support::settings(&url))
        .connect()
        .await
        .unwrap_err();

    assert!(error.is_unreachable(), "{error:?}");
}

/// Keeps the log lines of one thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

#[tokio::test]
async fn waiting_ends_when_the_server_comes_up_and_is_said_once() {
    let mut cluster = OwnCluster::start();
    let database = database(&cluster.settings());
    cluster.stop(Stop::Fast);
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let said = || String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();

    let (starter, server) = tokio::sync::oneshot::channel();
    let (waited, cluster) = tokio::join!(database.wait(LONG), async {
        test_support::eventually("says that it waits", async || said().contains("waiting")).await;
        std::thread::spawn(move || {
            cluster.start_again();
            starter.send(cluster).ok().unwrap();
        });
        server.await.unwrap()
    });

    waited.unwrap();
    assert_eq!(
        said().matches("waiting for the database").count(),
        1,
        "{}",
        said()
    );
    assert!(!said().contains(cluster.password()), "{}", said());
}

#[tokio::test]
async fn a_server_that_is_there_is_not_waited_for() {
    let database = TestDatabase::empty().await.database();

    let waited = database.wait(Duration::ZERO).await.unwrap();

    assert!(waited < AT_ONCE);
}

#[tokio::test]
async fn a_unix_socket_can_be_the_host_and_is_never_encrypted() {
    let mut cluster = OwnCluster::start();
    cluster
        .client()
        .await
        .batch_execute("ALTER SYSTEM SET unix_socket_directories = '/tmp'")
        .await
        .unwrap();
    cluster.stop(Stop::Fast);
    cluster.start_again();
    let (port, password) = (cluster.port(), cluster.password());

    for sslmode in ["prefer", "require"] {
        let url = format!("postgres://postgres:{password}@%2Ftmp:{port}/postgres?sslmode={sslmode}");
        let database = database(&test_support::settings(&url));
        let client = database.connect().await.unwrap();
        let address = client
            .query_one("SELECT inet_client_addr() IS NULL", &[])
            .await
            .unwrap();
        assert!(address.get::<_, bool>(0), "{sslmode}");
        assert_eq!(database.target(), format!("/tmp:{port}/postgres"));
    }
}

#[tokio::test]
async fn connections_carry_the_name_of_the_service() {
    let settings = TestDatabase::empty().await.settings();
    let database = Database::new(&settings, "order-food").unwrap();

    let client = database.connect().await.unwrap();

    let name: String = client
        .query_one("SHOW application_name", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(name, "order-food");
}
