//! The promises of this crate that other crates' tests rely on.

use std::net::TcpStream;

use test_support::{Cluster, OwnCluster, Process, Stop, TestDatabase, binary, eventually, settings};

#[tokio::test]
async fn tests_that_run_at_once_do_not_see_each_others_rows() {
    let (one, other) = tokio::join!(TestDatabase::migrated(), TestDatabase::migrated());

    one.execute("INSERT INTO products VALUES (1, 'Pizza', 12.50, 'Pizza')")
        .await;

    assert_eq!(one.value("SELECT count(*) FROM products").await, "1");
    assert_eq!(other.value("SELECT count(*) FROM products").await, "0");
}

#[tokio::test]
async fn an_empty_database_has_no_tables() {
    let database = TestDatabase::empty().await;

    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.value(count).await, "0");
}

#[tokio::test]
async fn a_cluster_comes_back_after_a_crash_with_what_was_committed() {
    let mut cluster = OwnCluster::start();
    cluster
        .client()
        .await
        .batch_execute("CREATE TABLE kept (); INSERT INTO kept DEFAULT VALUES")
        .await
        .unwrap();

    cluster.stop(Stop::Immediate);
    cluster.start_again();

    let kept = cluster
        .client()
        .await
        .query_one("SELECT count(*) FROM kept", &[])
        .await
        .unwrap();
    assert_eq!(kept.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_cluster_with_tls_is_verified_by_its_authority_and_by_no_other() {
    let cluster = OwnCluster::with_tls();
    let connect = async |sslmode: &str, authority: &std::path::Path| {
        let url = format!(
            "{}?sslmode={sslmode}&sslrootcert={}",
            cluster.url(),
            authority.display()
        );
        let database = database::Database::new(&settings(&url), "test").unwrap();
        let client = database.connect().await?;
        let row = client
            .query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
            .await;
        Ok::<bool, database::ConnectError>(row.unwrap().get(0))
    };

    assert!(connect("verify-full", &cluster.tls().ca).await.unwrap());
    assert!(connect("verify-full", &cluster.tls().other_ca).await.is_err());
    assert!(connect("disable", &cluster.tls().ca).await.is_err());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_where_the_name_counts() {
    let cluster = OwnCluster::with_certificate_for(&["elsewhere.example"]);
    let connect = async |sslmode: &str| {
        let authority = cluster.tls().ca.display();
        let url = format!("{}?sslmode={sslmode}&sslrootcert={authority}", cluster.url());
        database::Database::new(&settings(&url), "test")
            .unwrap()
            .connect()
            .await
    };

    assert!(connect("verify-ca").await.is_ok());
    assert!(connect("verify-full").await.is_err());
}

/// Makes this test binary start a cluster, print its port, and wait to be killed.
const TO_BE_KILLED: &str = "TEST_SUPPORT_TO_BE_KILLED";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a message to a copy of this test, no setting of a service"
)]
fn a_copy_of_this_test_that_is_killed() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        println!("cluster at port {}.", Cluster::shared().port());
        loop {
            std::thread::park();
        }
    }
}

#[tokio::test]
async fn a_killed_test_process_leaves_no_server_behind() {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "a_copy_of_this_test_that_is_killed", "--nocapture"];
    let mut copy = Process::spawn(this, arguments, &[(TO_BE_KILLED, "1")]);
    copy.wait_for_text("cluster at port ").await;
    let said = copy.said();
    let port: u16 = said
        .split("port ")
        .nth(1)
        .unwrap()
        .split('.')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    TcpStream::connect(("127.0.0.1", port)).unwrap();

    copy.signal("KILL");

    eventually("the server is gone", async || {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
}

#[test]
fn the_executable_of_a_service_is_found() {
    let version = std::process::Command::new(binary("database-migration"))
        .arg("--version")
        .output()
        .unwrap();

    assert!(
        String::from_utf8(version.stdout)
            .unwrap()
            .starts_with("database-migration ")
    );
}
