//! The kitchen's board.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::{Browser, app};
use crate::client::{Connection, Request};
use crate::fixtures::{KITCHEN, VIEWER};
use crate::harness::{Server, TestApp, settings};

/// Presses a button of an order's card.
async fn press(app: &TestApp, browser: &Browser, id: &str, form: &str) -> String {
    browser.press(app, &format!("/orders/{id}"), form).await
}

#[tokio::test]
async fn an_order_goes_through_the_columns_by_presses() {
    let app = app().await;
    let id = app.place_order([(1, 2)]).id().await;
    let browser = Browser::logged_in(&app, KITCHEN).await;
    let board = browser.get(&app, "/orders").await.text();
    assert!(board.contains("aria-labelledby=\"ml-"), "{board}");
    assert_eq!(
        board.matches("<label").count(),
        2,
        "none on a card: see the template"
    );
    for (form, state) in [
        ("to=accepted&version=1&minutes=15", "accepted"),
        ("to=preparing&version=2", "preparing"),
        ("to=ready&version=3", "ready"),
        ("to=preparing&version=4", "preparing"),
        ("to=ready&version=5", "ready"),
        ("to=picked_up&version=6", "picked_up"),
    ] {
        assert_eq!(
            press(&app, &browser, &id, form).await,
            "/orders?done=moved",
            "{form}"
        );
        let shown = browser.get(&app, &format!("/orders/{id}")).await.text();
        assert!(shown.contains(&state.replace('_', " ")), "{form}: {shown}");
    }
    let board = browser.get(&app, "/orders").await.text();
    assert!(
        !board.contains(&id),
        "an order that was picked up is off the board"
    );
    let actions = app
        .database
        .value(
            "SELECT count(*) FROM operator_actions JOIN order_events USING (request_id)
             WHERE via = 'console' AND key_id IS NOT NULL",
        )
        .await;
    assert_eq!(actions, "6", "each press is on record with the id of its request");
}

#[tokio::test]
async fn of_two_screens_that_press_one_card_one_changes_it_and_no_one_sees_an_error() {
    let app = app().await;
    let id = app.place_order([(1, 2)]).id().await;
    let (one, other) = (
        Browser::logged_in(&app, KITCHEN).await,
        Browser::logged_in(&app, KITCHEN).await,
    );
    let form = "to=accepted&version=1&minutes=20";
    let (first, second) = tokio::join!(press(&app, &one, &id, form), press(&app, &other, &id, form));
    let mut both = [first.as_str(), second.as_str()];
    both.sort_unstable();
    assert!(
        both.iter().all(|target| target.starts_with("/orders?done=")),
        "{both:?}"
    );
    assert_eq!(
        app.database.value("SELECT count(*) FROM order_events").await,
        "1",
        "{both:?}"
    );
    assert_eq!(
        press(&app, &other, &id, "to=rejected&version=1&reason=too_busy").await,
        "/orders?done=faster"
    );
}

#[tokio::test]
async fn rubbish_changes_nothing_and_is_told() {
    let app = app().await;
    let id = app.place_order([(1, 2)]).id().await;
    let browser = Browser::logged_in(&app, KITCHEN).await;
    for form in [
        "",
        "to=accepted",
        "to=eaten&version=1",
        "to=accepted&version=1&minutes=0",
        "to=accepted&version=1&minutes=soon",
        "to=rejected&version=1",
        "to=rejected&version=1&reason=mood",
        "to=rejected&version=1&reason=other&note=a%00b",
    ] {
        assert_eq!(press(&app, &browser, &id, form).await, "422", "{form}");
    }
    assert_eq!(
        press(&app, &browser, "no-id", "to=accepted&version=1").await,
        "404"
    );
    let unknown = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11";
    assert_eq!(
        press(&app, &browser, unknown, "to=accepted&version=1").await,
        "404"
    );
    assert_eq!(app.database.value("SELECT count(*) FROM order_events").await, "0");
}

#[tokio::test]
async fn the_board_counts_filters_and_finds() {
    let app = app().await;
    let waffle = app.place_order([(1, 2)]).id().await;
    let pizza = app.place_order([(7, 2)]).id().await;
    let browser = Browser::logged_in(&app, VIEWER).await;
    let board = browser.get(&app, "/orders").await.text();
    assert!(
        board.contains("2 ×</span> Chicken Waffle") && board.contains("New (2)"),
        "{board}"
    );
    assert!(
        !board.contains("<button id=\"b-"),
        "somebody who only sees gets no buttons: {board}"
    );
    let station = browser.get(&app, "/orders?category=Waffle").await.text();
    assert!(
        station.contains(&waffle) && !station.contains(&pizza),
        "{station}"
    );
    let found = browser
        .get(&app, &format!("/orders?q={}", &pizza[24..]))
        .await
        .text();
    assert!(!found.contains(&waffle) && found.contains(&pizza), "{found}");
}

#[tokio::test]
async fn an_order_of_another_replica_is_told_to_the_board_within_a_second() {
    let app = app().await;
    let replica = Server::start(settings(app.database.settings()));
    replica.until_ready_is(200).await;
    let browser = Browser::logged_in(&app, KITCHEN).await;
    let mut stream = Connection::open(app.server.console()).await;
    let head = format!(
        "GET /orders/events HTTP/1.1\r\nHost: shop\r\nCookie: {}\r\n\r\n",
        browser.cookie.as_deref().unwrap()
    );
    stream.send(head).await;
    assert!(stream.until("retry: 2000").await, "the stream begins");
    replica.place_order([(1, 1)]).accepted().await;
    let told = tokio::time::timeout(std::time::Duration::from_secs(8), stream.until("data: orders"));
    assert!(told.await.expect("news in time"));
}

#[tokio::test]
async fn the_board_comes_compressed_and_is_kept_nowhere() {
    let app = app().await;
    let id = app.place_order([(1, 2)]).id().await;
    let browser = Browser::logged_in(&app, KITCHEN).await;

    let plain = browser.get(&app, "/orders").await;
    let accepts = Request::get("/orders").header("Accept-Encoding", "gzip");
    let gzip = browser.send(&app, accepts).await;

    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut page = String::new();
    GzDecoder::new(gzip.bytes()).read_to_string(&mut page).unwrap();
    assert!(page.contains(&id), "{page}");
    for answer in [plain, gzip] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}
