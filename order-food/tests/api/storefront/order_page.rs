//! Orders afterwards: the link, the browser's own, re-ordering.

use uuid::Uuid;

use crate::client::Request;
use crate::fixtures::{APITEST, STOREFRONT};
use crate::harness::TestApp;

#[tokio::test]
async fn a_link_opens_its_order_and_nothing_else_does() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    let order = browser.ordered().await;
    let link = order.order_link();
    let id = app.database.value("SELECT id FROM orders").await;
    let by_api = app.place_order([(7, 1)]).accepted().await;

    assert!(link.starts_with(&format!("/order/{id}.")), "{link}");
    let (_, signature) = link.split_once('.').unwrap();
    let others = by_api["id"].as_str().unwrap();
    let unknown = Uuid::now_v7();
    for forged in [
        format!("/order/{id}"),
        format!("/order/{id}."),
        format!("/order/{id}.{}", "A".repeat(22)),
        format!("/order/{others}.{signature}"),
        format!("/order/{unknown}.{signature}"),
        link[..link.len() - 1].to_owned(),
        format!("/order/{}", "x".repeat(3_000)),
    ] {
        let page = app.browser().get(&forged).await;
        assert_eq!(page.status(), 404, "{forged}");
        page.expects("Not found");
    }
    let page = app.browser().get(&link).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.answer.header("cache-control"), Some("private, no-cache"));
    assert!(page.html().contains("<meta name=\"robots\" content=\"noindex\">"));
    for secret in [
        STOREFRONT.to_string().as_str(),
        "api_key",
        "create_order",
        "apitest",
    ] {
        assert!(!page.html().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_link_ends_after_its_days() {
    let app = TestApp::open_shop_with(|settings| settings.storefront.order_link_days = 1).await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    let link = browser.ordered().await.order_link();

    // The same link with a server whose clock is the database's: data read two days later.
    assert_eq!(browser.get(&link).await.status(), 200);
    let id = link.split(['/', '.']).nth(2).unwrap();
    let old = format!("0190{}", &id[4..]);
    assert_eq!(browser.get(&link.replace(id, &old)).await.status(), 404);
}

#[tokio::test]
async fn links_survive_the_rotation_of_the_secret_and_end_with_it() {
    let app = TestApp::open_shop_with(|settings| {
        settings.api_key_hash_key = Some("the-first-hash-key-of-tests".into())
    })
    .await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    let link = browser.ordered().await.order_link();
    for (keys, status) in [
        ("a-new-hash-key-of-this-test,the-first-hash-key-of-tests", 200),
        ("a-new-hash-key-of-this-test", 404),
    ] {
        let mut settings = crate::harness::settings(app.database.settings());
        settings.api_key_hash_key = Some(keys.into());
        let server = crate::harness::Server::start(settings);
        crate::storefront::order_page::until_served(&server).await;

        assert_eq!(server.browser().get(&link).await.status(), status, "{keys}");
        let own = browser.at(&server).get("/orders").await;
        assert_eq!(
            own.html().contains(link.split('.').next().unwrap()),
            status == 200,
            "{keys}"
        );
    }
}

pub(crate) async fn until_served(server: &crate::harness::Server) {
    test_support::eventually("the menu is served", async || {
        server.get("/").await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn the_browsers_own_orders_are_its_last_twenty() {
    let app = TestApp::open_shop_with(|settings| settings.storefront.orders_per_address = 0).await;
    let mut browser = app.browser();
    browser
        .get("/orders")
        .await
        .expects("You have not ordered anything yet.");
    let mut links = Vec::new();
    for _ in 0..22 {
        browser.add(1, 1).await;
        links.push(browser.ordered().await.order_link());
    }

    let page = browser.get("/orders").await;

    let html = page.html();
    let places: Vec<usize> = links[2..]
        .iter()
        .rev()
        .map(|link| html.find(&format!("\"{link}\"")).unwrap())
        .collect();
    assert!(places.is_sorted(), "newest first");
    assert!(links[..2].iter().all(|link| !html.contains(link)));
    page.expects("1 × Chicken Waffle");
    // Another browser has none, and a cookie of another shop or cut is none.
    app.browser()
        .get("/orders")
        .await
        .expects("You have not ordered anything yet.");
    let cookie = browser.cookies["orders"].clone();
    for forged in [&cookie[..cookie.len() - 1], "v1..", "x", &"A".repeat(4_000)] {
        browser.cookies.insert("orders".into(), forged.into());
        assert!(
            browser
                .get("/orders")
                .await
                .says("You have not ordered anything yet."),
            "{forged}"
        );
    }
}

#[tokio::test]
async fn the_api_reads_a_storefront_order_like_any_other_and_its_row_is_no_key() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    browser.ordered().await;
    let id = app.database.value("SELECT id FROM orders").await;

    let staff = app.get_as("staff-key", &format!("/api/order/{id}")).await;
    assert_eq!(staff.json()["total"], 12.99);
    assert_eq!(
        app.get_as(APITEST, &format!("/api/order/{id}")).await.status(),
        404
    );
    let row = STOREFRONT.to_string();
    for text in [
        row.as_str(),
        "",
        "null",
        "no key v1|",
        &format!("no key v1|{row}"),
        &STOREFRONT.simple().to_string(),
    ] {
        let request = Request::get("/api/order").header("api_key", text);
        assert!([401, 403].contains(&app.send(&request).await.status()), "{text}");
    }
}
