//! Cells over HTTP: ids that hold a cell, 421 for orders of another one, 404 for all others.

use serde_json::json;
use uuid::Uuid;

use crate::client::{Answer, Request};
use crate::fixtures::{APITEST, MANAGER, OTHER, PIZZA, STOREFRONT};
use crate::harness::{Server, TestApp, settings};
use crate::order_status::{cancel, put};

const SINCE: &str = "2026-01-01T00:00:00Z";
/// The first millisecond of cells, and the last one before.
const FIRST: u64 = 1_767_225_600_000;
const BEFORE: u64 = FIRST - 1;

async fn in_cell(cell: u16) -> TestApp {
    TestApp::with(|settings| {
        settings.orders.cell = Some(cell.into());
        settings.orders.cell_since = Some(SINCE.into());
        settings.storefront.key_id = Some(STOREFRONT);
    })
    .await
}

/// An id of this cell and time, of an order that is nowhere.
fn id_of(cell: u16, time_ms: u64) -> Uuid {
    let rand_a = u128::from(cell) << 66 | 1 << 64;
    Uuid::from_u128(u128::from(time_ms) << 80 | 7 << 76 | rand_a | 0b10 << 62 | 4_711)
}

fn cell_of(id: &str) -> u128 {
    let id = Uuid::parse_str(id).unwrap();
    assert_eq!(id.get_version_num(), 7, "{id}");
    id.as_u128() >> 66 & 0x3ff
}

/// The answers of every address of an order.
async fn asked(server: &Server, id: impl std::fmt::Display) -> Vec<Answer> {
    let get = |rest: &str| Request::get(&format!("/api/order/{id}{rest}")).header("api_key", APITEST);
    let requests = [
        get(""),
        get("/status"),
        get("/events"),
        cancel(APITEST, &id.to_string()),
        cancel(MANAGER, &id.to_string()),
        put(MANAGER, &id.to_string(), &json!({"status": "accepted"})),
    ];
    let mut answers = Vec::new();
    for request in requests {
        answers.push(server.send(&request).await);
    }
    answers
}

#[tokio::test]
async fn an_order_that_is_not_here_is_421_with_its_cell_on_every_address() {
    let app = in_cell(700).await;

    for (cell, time) in [(0, FIRST), (701, FIRST + 1), (1_023, FIRST + 86_400_000)] {
        for answer in asked(&app.server, id_of(cell, time)).await {
            assert_eq!(answer.error(), (421, "other_cell".into()));
            assert_eq!(answer.json()["cell"], cell);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    let head = Request::new("HEAD", &format!("/api/order/{}", id_of(0, FIRST))).header("api_key", APITEST);
    assert_eq!(app.send(&head).await.status(), 421);
}

#[tokio::test]
async fn every_other_order_that_is_not_here_is_404() {
    let app = in_cell(700).await;
    let random = Uuid::from_u128(!(0xf << 76) | 4 << 76);

    for id in [
        id_of(700, FIRST),
        id_of(3, BEFORE),
        random,
        Uuid::nil(),
        Uuid::max(),
    ] {
        for answer in asked(&app.server, id).await {
            assert_eq!(answer.error(), (404, "not_found".into()), "{id}");
            assert!(answer.json().get("cell").is_none(), "{id}");
        }
    }
    let path = format!("/api/order/{}", id_of(3, FIRST));
    assert_eq!(app.get(&path).await.status(), 401);
    assert_eq!(app.get_as(APITEST, "/api/order/3").await.status(), 400);
}

#[tokio::test]
async fn orders_hold_the_cell_and_are_found_where_they_are() {
    let (here, there) = (in_cell(0).await, in_cell(1_023).await);
    let mut last = String::new();
    for _ in 0..5 {
        let order = here.place_order([(PIZZA, 1)]).accepted().await;
        let id = order["id"].as_str().unwrap().to_owned();
        assert_eq!(cell_of(&id), 0);
        assert!(id > last, "{last} {id}");
        last = id;
    }
    let path = format!("/api/order/{last}");

    let elsewhere = there.get_as(APITEST, &path).await;

    assert_eq!((elsewhere.status(), &elsewhere.json()["cell"]), (421, &json!(0)));
    assert_eq!(here.get_as(APITEST, &path).await.status(), 200);
    let order = there.place_order([(PIZZA, 1)]).accepted().await;
    assert_eq!(cell_of(order["id"].as_str().unwrap()), 1_023);
}

#[tokio::test]
async fn an_order_that_is_here_is_answered_whatever_its_id_says() {
    let app = in_cell(5).await;
    let order = app.place_order([(PIZZA, 1)]).accepted().await;
    let id = order["id"].as_str().unwrap();
    // The same data under another number, as after a region was taken over.
    let mut other = settings(app.database.settings());
    other.orders.cell = Some(6);
    other.orders.cell_since = Some(SINCE.into());
    let other = Server::start(other);
    other.until_ready_is(200).await;

    let path = format!("/api/order/{id}");
    let get = |key| Request::get(&path).header("api_key", key);
    let own = other.send(&get(APITEST)).await;
    let foreign = other.send(&get(OTHER)).await;

    assert_eq!((own.status(), own.json()), (200, order.clone()));
    assert_eq!(
        other.send(&cancel(APITEST, id)).await.json()["status"],
        "cancelled"
    );
    // A key that may not see it learns no more than of an order that is nowhere.
    assert_eq!(foreign.error(), (421, "other_cell".into()));
    let nowhere = format!("/api/order/{}", id_of(5, FIRST));
    let nowhere = other.send(&Request::get(&nowhere).header("api_key", OTHER)).await;
    assert_eq!(foreign.json()["message"], nowhere.json()["message"]);
}

#[tokio::test]
async fn without_a_cell_no_answer_knows_of_cells() {
    let app = TestApp::start().await;

    for answer in asked(&app.server, id_of(3, FIRST)).await {
        assert_eq!(answer.error(), (404, "not_found".into()));
        let mut members: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        members.sort();
        assert_eq!(members, ["code", "message", "requestId", "type"]);
    }
}

#[tokio::test]
async fn a_link_of_another_cells_shop_says_so() {
    let (here, there) = (in_cell(1).await, in_cell(2).await);
    let mut browser = there.browser();
    browser.add(1, 1).await;
    let link = browser.ordered().await.order_link();
    assert_eq!(browser.get(&link).await.status(), 200);

    let mut browser = browser.at(&here.server);
    let page = browser.get(&link).await;
    let events = here.server.get(&format!("{link}/events")).await;
    let cancelled = browser.post(&format!("{link}/cancel"), &[]).await;

    assert_eq!(page.status(), 421);
    assert!(page.says("Ordered elsewhere"), "{}", page.words());
    assert_eq!(events.error(), (421, "other_cell".into()));
    assert_eq!(cancelled.status(), 421);
    assert!(
        cancelled.says("Open its link where you ordered"),
        "{}",
        cancelled.words()
    );
    // A forged link is answered as ever.
    let forged = format!("/order/{}.{}", id_of(2, FIRST), "A".repeat(22));
    assert_eq!(browser.get(&forged).await.status(), 404);
}
