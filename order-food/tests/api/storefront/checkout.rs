//! Ordering: what is shown is what is stored, and each attempt is one order.

use crate::harness::TestApp;
use crate::storefront::browser::{Browser, Page};
use crate::storefront::coupons;

/// A browser with two waffles and a pancake in its cart, and the cart's page.
async fn with_cart(app: &TestApp) -> (Browser<'_>, Page) {
    let mut browser = coupons::with_cart(app).await;
    let cart = browser.get("/cart").await;
    (browser, cart)
}

#[tokio::test]
async fn an_order_is_stored_as_it_was_shown_and_the_cart_is_empty_after_it() {
    let app = TestApp::open_shop().await;
    let (mut browser, cart) = with_cart(&app).await;

    let answer = browser.order(&cart).await;

    assert!(answer.address.ends_with("?new=1"), "{}", answer.address);
    for words in [
        "Thank you!",
        "Your pick-up code",
        "Chicken Waffle 2 €12.99 €25.98",
        "Total €35.97",
        "You pay at the counter.",
    ] {
        answer.expects(words);
    }
    let stored = app
        .database
        .rows("SELECT api_key_id::text, total::text FROM orders")
        .await;
    assert_eq!(
        stored,
        [[crate::fixtures::STOREFRONT.to_string(), "35.97".into()]]
    );
    browser.get("/cart").await.expects("Your cart is empty.");
    // Reloading is harmless, and the link alone opens it.
    let link = answer.order_link();
    app.browser().get(&link).await.expects("Total €35.97");
    assert!(browser.get("/orders").await.html().contains(&link));
}

#[tokio::test]
async fn back_and_sending_the_form_again_leads_to_the_same_order() {
    let app = TestApp::open_shop().await;
    let (mut browser, cart) = with_cart(&app).await;
    let before = browser.tab();
    let first = browser.order(&cart).await;

    // Back in this tab: the form is the old one, the cookie the new one.
    let again = browser.order(&cart).await;
    assert_eq!(again.order_link(), first.order_link());
    again.expects("You already ordered this at");
    // The answer was lost with its cookies.
    let mut lost = before;
    let found = lost.order(&cart).await;
    assert_eq!(found.order_link(), first.order_link());
    lost.get("/cart").await.expects("Your cart is empty.");
    assert!(lost.get("/orders").await.html().contains(&first.order_link()));
    assert_eq!(app.order_count().await, 1);
    // The next order is another one.
    browser.add(1, 2).await;
    browser.add(3, 1).await;
    let next = browser.ordered().await;
    assert_ne!(next.order_link(), first.order_link());
    assert_eq!(app.order_count().await, 2);
}

#[tokio::test]
async fn ten_clicks_at_once_in_two_tabs_are_one_order() {
    let app = TestApp::open_shop().await;
    let (browser, cart) = with_cart(&app).await;

    let clicks = (0..10).map(|_| {
        let mut tab = browser.tab();
        let cart = cart.clone();
        async move { tab.order(&cart).await }
    });
    let pages = futures_util::future::join_all(clicks).await;

    let links: Vec<String> = pages.iter().map(Page::order_link).collect();
    assert!(links.iter().all(|link| *link == links[0]), "{links:?}");
    assert!(pages.iter().all(|page| page.status() == 200));
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn what_was_added_after_an_order_is_kept() {
    let app = TestApp::open_shop().await;
    let (browser, cart) = with_cart(&app).await;
    let mut other_tab = browser.tab();
    let mut ordering = browser.tab();
    let first = ordering.order(&cart).await;

    // The other tab did not notice: it adds to the old cart and orders.
    other_tab.add(7, 1).await;
    let stale = other_tab.get("/cart").await;
    let answer = other_tab.order(&stale).await;

    assert_eq!(answer.order_link(), first.order_link());
    answer.expects("You already ordered this at");
    other_tab.get("/cart").await.expects("Margherita Pizza");
    assert_eq!(app.order_count().await, 1);
    // A second click is a decision: the cart goes on under an attempt of its own.
    let second = other_tab.ordered().await;
    assert_ne!(second.order_link(), first.order_link());
}

#[tokio::test]
async fn a_changed_price_is_shown_old_and_new_and_nothing_is_stored() {
    let app = TestApp::open_shop().await;
    let (mut browser, cart) = with_cart(&app).await;
    app.publish("UPDATE products SET price = 14.00 WHERE id = 1")
        .await;

    let page = browser.order(&cart).await;

    assert_eq!((page.status(), page.address.as_str()), (200, "/checkout"));
    for words in [
        "Nothing was ordered",
        "Chicken Waffle costs €14.00 now, not €12.99.",
        "The total is €37.99 now, not €35.97.",
    ] {
        page.expects(words);
    }
    assert_eq!(app.order_count().await, 0);
    let stored = browser.order(&page).await;
    stored.expects("Total €37.99");
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn prices_that_change_and_leave_the_total_as_it_was_are_named_as_well() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    browser.add(3, 1).await;
    let cart = browser.get("/cart").await;
    app.publish("UPDATE products SET price = CASE id WHEN 1 THEN 13.99 ELSE 8.99 END WHERE id IN (1, 3)")
        .await;

    let page = browser.order(&cart).await;

    page.expects("Chicken Waffle costs €13.99 now");
    page.expects("Blueberry Pancakes costs €8.99 now");
    assert!(!page.says("The total is"));
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn a_product_that_is_gone_is_named_and_nothing_is_stored() {
    let app = TestApp::open_shop().await;
    let (mut browser, cart) = with_cart(&app).await;
    app.publish("UPDATE products SET available = false WHERE id = 3")
        .await;

    let page = browser.order(&cart).await;

    page.expects("Blueberry Pancakes is no longer on the menu.");
    assert!(page.says("The total is €25.98 now, not €35.97.") && !page.can_order());
    assert_eq!(app.order_count().await, 0);
    let tidied = browser.post("/cart/tidy", &[]).await;
    browser.order(&tidied).await.expects("Total €25.98");
}

#[tokio::test]
async fn a_form_that_says_less_than_it_costs_is_refused() {
    let app = TestApp::open_shop().await;
    let (mut browser, cart) = with_cart(&app).await;
    let attempt = cart.hidden("attempt").unwrap();
    let seen = cart.hidden("seen").unwrap();

    for (total, seen) in [
        ("0.01", seen.as_str()),
        ("0.00", ""),
        ("35.97", ""),
        ("35.97", "1x2@1-3x1@1"),
        ("35.97", "1x2@1299"),
        ("-35.97", &seen),
        ("35,97", &seen),
        ("", &seen),
        ("99999999999999999999999.99", &seen),
    ] {
        let fields = [
            ("attempt", attempt.as_str()),
            ("expected_total", total),
            ("seen", seen),
        ];
        let page = browser.post("/checkout", &fields).await;
        assert!(
            page.says("Nothing was ordered"),
            "{total} {seen}: {}",
            page.words()
        );
    }
    browser
        .post("/checkout", &[("attempt", &attempt)])
        .await
        .expects("Nothing was ordered");
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn attempts_can_be_neither_chosen_nor_taken_from_another_shop() {
    let app = TestApp::open_shop().await;
    let other = TestApp::open_shop_with(|settings| {
        settings.api_key_hash_key = Some("the-hash-key-of-another-shop".into())
    })
    .await;
    let (mut browser, cart) = with_cart(&app).await;
    let (_, foreign) = with_cart(&app).await;
    // Of a shop with other secrets, which does not know this key row.
    let mut abroad = other.browser();
    abroad.add(1, 1).await;
    let elsewhere = abroad.cookies["cart"].split('.').nth(1).unwrap().to_owned();

    for attempt in [
        "",
        "1",
        &"A".repeat(44),
        &foreign.hidden("attempt").unwrap(),
        &elsewhere,
    ] {
        let fields = [
            ("attempt", attempt),
            ("expected_total", "35.97"),
            ("seen", &cart.hidden("seen").unwrap()),
        ];
        let page = browser.post("/checkout", &fields).await;
        assert!(
            page.says("Your cart changed in another tab."),
            "{attempt}: {}",
            page.words()
        );
    }
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn an_order_that_is_ordered_again_adds_and_lists_the_differences() {
    let app = TestApp::open_shop().await;
    let (mut browser, _) = with_cart(&app).await;
    let order = browser.ordered().await;
    browser.add(1, 1).await;
    app.publish(
        "UPDATE products SET price = 14.00 WHERE id = 1; UPDATE products SET available = false WHERE id = 3",
    )
    .await;

    let page = browser.post(&format!("{}/again", order.order_link()), &[]).await;

    page.expects("Chicken Waffle costs €14.00 now, not €12.99.");
    page.expects("Blueberry Pancakes is no longer on the menu.");
    page.expects("Total €42.00");
    // Reloading the page adds nothing.
    browser.get(&page.address).await.expects("Total €42.00");
}
