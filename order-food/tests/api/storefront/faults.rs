//! The database goes away, answers get lost, servers die: one order, and the customer sees it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use test_support::{Stop, TestDatabase, eventually};

use crate::faults::proxy::{Proxy, Wire};
use crate::faults::{on_own_cluster, order_count};
use crate::fixtures::{self, STOREFRONT};
use crate::harness::{Server, TestApp};
use crate::storefront::browser::{Browser, Page};

#[tokio::test]
async fn while_the_database_is_away_menu_and_cart_work_and_ordering_says_that_nothing_was_stored() {
    let (server, mut cluster) = on_own_cluster(|settings| {
        settings.storefront.key_id = Some(STOREFRONT);
        settings.order_deadline_s = 1;
    })
    .await;
    let mut browser = server.browser();
    browser.add(1, 1).await;
    browser.post("/cart/coupon", &[("code", "SAVE10")]).await;
    cluster.stop(Stop::Immediate);

    let began = Instant::now();
    browser.get("/").await.expects("Chicken Waffle");
    browser.add(3, 1).await;
    browser.post("/cart/coupon", &[("code", "SAVE10")]).await;
    let cart = browser.get("/cart").await;
    cart.expects("Total €20.68");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for _ in 0..12 {
        let page = browser.order(&cart).await;
        assert_eq!(page.status(), 503);
        assert!(
            page.says("Your order was not stored. Your cart is kept"),
            "{}: {}",
            page.address,
            page.words()
        );
    }
    let orders = browser.get("/orders").await;
    orders.expects("You have not ordered anything yet.");

    cluster.start_again();
    server.until_ready_is(200).await;
    let stored = in_the_end(
        "the order is taken",
        (&server, &browser.cookies),
        async |browser| browser.order(&cart).await,
        |page| page.address.starts_with("/order/"),
    )
    .await;
    let is_shown = stored.says("Total €20.68");
    assert!(
        is_shown || stored.says("Your order was stored"),
        "{}",
        stored.words()
    );
    eventually("the order is shown", async || {
        server.browser().get(&stored.address).await.says("Total €20.68")
    })
    .await;
    assert_eq!(order_count(&cluster).await, 1);

    cluster.stop(Stop::Fast);
    let stored = server.browser().get(&stored.address).await;
    assert_eq!(stored.status(), 503);
    stored.expects("We cannot show it right now");
    assert_eq!(stored.answer.header("refresh"), Some("5"));
    let later = server.browser().get(&stored.order_link()).await;
    later.expects("We cannot show this right now. Please try again");
    assert_eq!(later.answer.header("refresh"), Some("5"));
}

#[tokio::test]
async fn a_cart_shows_what_left_the_menu_while_the_database_is_away() {
    let (server, mut cluster) = on_own_cluster(|settings| {
        settings.storefront.key_id = Some(STOREFRONT);
    })
    .await;
    let mut browser = server.browser();
    browser.add(1, 1).await;
    let cookie = browser.cookies["cart"].clone() + "-77x2";
    browser.cookies.insert("cart".into(), cookie);
    cluster.stop(Stop::Immediate);

    let began = Instant::now();
    let page = browser.get("/cart").await;

    assert_eq!(page.status(), 200);
    page.expects("A product that left the menu No longer on the menu");
    page.expects("Total €12.99");
    assert!(!page.says("77"), "{}", page.words());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let removed = browser.post("/cart/remove", &[("product", "77")]).await;
    assert!(
        removed.says("A product that left the menu was removed.") && removed.can_order(),
        "{}",
        removed.words()
    );
}

/// The page of which `is_it` holds in the end, as a browser with these cookies sees it.
async fn in_the_end(
    what: &str,
    (server, cookies): (&Server, &BTreeMap<String, String>),
    visit: impl AsyncFn(&mut Browser<'_>) -> Page,
    is_it: impl Fn(&Page) -> bool,
) -> Page {
    let found = RefCell::new(None);
    eventually(what, async || {
        let mut browser = server.browser();
        browser.cookies = cookies.clone();
        let page = visit(&mut browser).await;
        let is_found = is_it(&page);
        *found.borrow_mut() = Some(page);
        is_found
    })
    .await;
    found.into_inner().unwrap()
}

async fn over_a_wire(deadline_s: u64) -> (TestApp, Proxy) {
    let database = TestDatabase::migrated().await;
    fixtures::insert(&database).await;
    let (proxy, url) = Proxy::start(database.url()).await;
    let app = TestApp::over(database, |settings| {
        settings.database = test_support::settings(&url);
        settings.storefront.key_id = Some(STOREFRONT);
        settings.order_deadline_s = deadline_s;
    });
    app.server.until_ready_is(200).await;
    (app, proxy)
}

#[tokio::test]
async fn an_order_whose_outcome_is_not_known_is_checked_and_found() {
    let (app, proxy) = over_a_wire(1).await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    let cart = browser.get("/cart").await;
    proxy.set(Wire::AnswerLostThenAway);

    let page = browser.order(&cart).await;

    assert!(page.address.starts_with("/checkout?since="), "{page:?}");
    page.expects("We are checking your order");
    assert_eq!(page.answer.header("refresh"), Some("2"));
    proxy.set(Wire::Whole);
    let found = in_the_end(
        "the check ends",
        (&app.server, &browser.cookies),
        async |browser| browser.get(&page.address).await,
        |page| page.answer.header("refresh").is_none() && page.status() == 200,
    )
    .await;
    assert!(
        found.address.starts_with("/order/") && found.says("€12.99"),
        "{found:?}"
    );
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn a_check_that_finds_nothing_keeps_the_cart_and_says_so() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;

    let page = browser.get("/checkout?since=1").await;

    assert_eq!(page.address, "/cart?unstored=1");
    assert!(page.says("Your order was not stored. Your cart is kept") && page.can_order());
    let waiting = browser.get("/checkout?since=99999999999").await;
    waiting.expects("We are checking your order");
    assert!(browser.order(&page).await.address.starts_with("/order/"));
    assert_eq!(app.browser().get("/checkout").await.address, "/cart");
}

#[tokio::test]
async fn two_replicas_make_one_order_of_one_attempt() {
    let app = TestApp::open_shop().await;
    let other = app.open_replica().await;
    for round in 1..=5 {
        let mut browser = app.browser();
        browser.add(1, round).await;
        let cart = browser.get("/cart").await;

        let clicks = (0..8).map(|click| {
            let mut tab = browser.at(if click % 2 == 0 { &app.server } else { &other });
            let cart = cart.clone();
            async move { tab.order(&cart).await.order_link() }
        });
        let links = futures_util::future::join_all(clicks).await;

        assert!(
            links
                .iter()
                .all(|link| *link == links[0] && link.starts_with("/order/")),
            "{links:?}"
        );
        assert_eq!(app.order_count().await, round as usize);
    }
}
