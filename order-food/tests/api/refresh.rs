//! New data are served without a restart.

use process::failure::ExitCode;
use test_support::{eventually, panic_at_line};

use crate::client::Request;
use crate::fixtures::PIZZA;
use crate::harness::{Server, TestApp, settings};

#[tokio::test]
async fn a_changed_price_is_served_and_charged_and_the_old_tag_is_gone() {
    let app = TestApp::start().await;
    let old = app.get("/api/product").await;
    let tag = old.header("etag").unwrap();

    app.publish("UPDATE products SET price = 20.00 WHERE id = 7")
        .await;

    let same = Request::get("/api/product").header("If-None-Match", tag);
    let new = app.send(&same).await;
    assert_eq!((new.status(), &new.json()[6]["price"]), (200, &20.0.into()));
    assert_ne!(new.header("etag"), Some(tag));
    let order = app.place_order([(PIZZA, 2)]).accepted().await;
    assert_eq!(order["total"], 40.0);
}

#[tokio::test]
async fn unchanged_data_keep_their_tag_when_they_are_published_again() {
    let app = TestApp::start().await;
    let old = app.get("/api/product").await;

    app.publish("SELECT 1").await;

    assert_eq!(app.get("/api/product").await.header("etag"), old.header("etag"));
}

#[tokio::test]
async fn changes_without_a_notification_are_found_in_time() {
    let app = TestApp::with(|settings| settings.refresh_interval_s = 1).await;

    app.database
        .execute("UPDATE products SET price = 21.00 WHERE id = 7")
        .await;

    eventually("the price is served", async || {
        app.get("/api/product/7").await.json()["price"] == 21.0
    })
    .await;
}

#[tokio::test]
async fn notifications_are_heard_again_after_the_listener_was_cut_off() {
    let app = TestApp::start().await;

    app.database
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await;

    eventually("a server listens", async || {
        let listening = "SELECT count(*) FROM pg_stat_activity
                         WHERE datname = current_database() AND query = 'LISTEN dataset_published'";
        app.database.value(listening).await == "1"
    })
    .await;
    app.publish("UPDATE products SET price = 22.00 WHERE id = 7")
        .await;
    assert_eq!(app.get("/api/product/7").await.json()["price"], 22.0);
}

#[tokio::test]
async fn a_panic_while_reading_the_data_ends_the_server_with_what_happened() {
    let app = TestApp::start().await;
    let mut server = Server::start_with(settings(app.database.settings()), || {
        panic_at_line("the shop's data were read", 1)
    });
    server.until_ready_is(200).await;

    app.publish("UPDATE products SET price = 22.00 WHERE id = 7")
        .await;
    let failure = server.ended().await.unwrap_err();

    assert_eq!(failure.code, ExitCode::Unexpected);
    let line = failure.line();
    assert!(
        line.starts_with("the reading of the shop's data has ended: "),
        "{line}"
    );
    assert!(
        line.contains("panic of a test at the shop's data were read"),
        "{line}"
    );
}
