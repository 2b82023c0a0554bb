//! `order-food health`: the probe of images without a shell.

use std::net::TcpListener;

use test_support::{Data, TestDatabase};

use crate::pod::{API, Pod};

#[tokio::test]
async fn the_probe_ends_with_0_for_2xx_with_1_for_anything_else_and_with_2_for_no_url() {
    let database = TestDatabase::migrated().await;
    let folder = Data::scratch();
    let message = folder.write("termination-log", "the container's own");
    let pod = Pod::on(&database).with("TERMINATION_MESSAGE_PATH", message);
    let api = pod.listen().await;
    let at = |path: &str| format!("http://127.0.0.1:{}{path}", api.port);

    let health = pod.run(API, &["health", "--url", &at("/health")]).await;
    let ready = pod.run(API, &["health", "--url", &at("/ready")]).await;
    let nowhere = pod.run(API, &["health", "--url", &at("/nowhere")]).await;
    let no_url = pod.run(API, &["health", "--url", "ftp://example"]).await;

    assert_eq!(health.code, Some(0), "{}", health.stderr);
    assert_eq!(health.stdout.trim(), r#"{"status":"healthy"}"#);
    assert_eq!(ready.code, Some(1), "{}", ready.stderr);
    ready.assert_stderr("503");
    assert_eq!(nowhere.code, Some(1));
    assert_eq!(no_url.code, Some(2));
    for output in [ready, nowhere, no_url] {
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    }
    // A probe runs beside the server, which owns the termination message.
    assert_eq!(folder.read("termination-log"), "the container's own");
}

#[tokio::test]
async fn the_probe_gives_up_on_a_server_that_is_not_there_or_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}/health", silent.local_addr().unwrap());
    let pod = Pod::without_database();

    let closed = pod
        .run(API, &["health", "--url", "http://127.0.0.1:1/health"])
        .await;
    let silence = pod.run(API, &["health", "--url", &silent_url]).await;

    assert_eq!(closed.code, Some(1), "{}", closed.stderr);
    assert_eq!(silence.code, Some(1), "{}", silence.stderr);
}

#[tokio::test]
async fn the_probe_asks_the_port_that_the_environment_names() {
    let database = TestDatabase::migrated().await;
    let pod = Pod::on(&database);
    let api = pod.listen().await;

    let output = pod.with("PORT", api.port).run(API, &["health"]).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
