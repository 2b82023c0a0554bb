//! The cart: changes, quantities, what the cookie holds and what it does not.

use crate::harness::TestApp;
use crate::storefront::browser::Browser;

/// Quantities on the cart's page, by product.
async fn quantities(browser: &mut Browser<'_>) -> Vec<(u64, u32)> {
    let html = browser.get("/cart").await.html();
    let lines = html.split("<li class=\"line").skip(1);
    lines
        .map(|line| {
            let id = line.split("id=\"p").nth(1).unwrap().split('"').next().unwrap();
            let units = line.split("name=\"quantity\" value=\"").nth(1);
            let units = units.map_or("0", |rest| rest.split('"').next().unwrap());
            (id.parse().unwrap(), units.parse().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn products_are_added_changed_removed_and_put_back() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();

    browser.add(1, 2).await;
    browser.add(7, 1).await;
    assert_eq!(quantities(&mut browser).await, [(1, 2), (7, 1)]);

    browser.step("add", 7).await;
    browser.step("less", 1).await;
    assert_eq!(quantities(&mut browser).await, [(1, 1), (7, 2)]);

    browser
        .post("/cart/quantity", &[("product", "7"), ("quantity", " 1000 ")])
        .await;
    assert_eq!(quantities(&mut browser).await, [(1, 1), (7, 1000)]);
    browser.step("add", 7).await;
    assert_eq!(quantities(&mut browser).await, [(1, 1), (7, 1000)]);

    let removed = browser.post("/cart/remove", &[("product", "7")]).await;
    removed.expects("Margherita Pizza was removed.");
    assert_eq!(quantities(&mut browser).await, [(1, 1)]);
    let units = removed.hidden("quantity").unwrap();
    browser
        .post(
            "/cart/change",
            &[("add", "7"), ("quantity", &units), ("from", "cart")],
        )
        .await;
    assert_eq!(quantities(&mut browser).await, [(1, 1), (7, 1000)]);

    let last = browser.step("less", 1).await;
    last.expects("Chicken Waffle was removed.");
    last.expects("Undo");
    let cleared = browser.post("/cart/clear", &[]).await;
    cleared.expects("Your cart was cleared.");
    cleared.expects("Your cart is empty.");
    assert_eq!(quantities(&mut browser).await, []);
}

#[tokio::test]
async fn a_quantity_that_is_none_changes_nothing_and_says_the_range() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 2).await;

    for typed in ["1001", "-1", "1.5", "", "many", "99999999999999999999", "１"] {
        let page = browser
            .post("/cart/quantity", &[("product", "1"), ("quantity", typed)])
            .await;
        assert!(
            page.says("a quantity is a whole number from 1 to 1000"),
            "{typed}: {}",
            page.words()
        );
        assert_eq!(quantities(&mut browser).await, [(1, 2)], "{typed}");
    }
    let page = browser
        .post("/cart/quantity", &[("product", "1"), ("quantity", "0")])
        .await;
    page.expects("Chicken Waffle was removed.");
}

#[tokio::test]
async fn the_page_names_lines_subtotal_and_total() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 2).await;
    browser.add(3, 1).await;

    let page = browser.get("/cart").await;

    page.expects("Subtotal €35.97 Total €35.97");
    assert_eq!(page.hidden("expected_total").unwrap(), "35.97");
    page.expects("Order now · €35.97");
    page.expects("You pay at the counter.");
    assert_eq!(page.answer.header("cache-control"), Some("private, no-cache"));
    let html = page.html();
    assert!(html.contains("inputmode=\"numeric\"") && !html.contains("type=\"number\""));
}

#[tokio::test]
async fn the_cart_outlives_the_server_and_needs_no_database() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 2).await;
    let second = app.open_replica().await;

    assert_eq!(quantities(&mut browser.at(&second)).await, [(1, 2)]);
    let cookie = browser.cookies["cart"].clone();
    assert!(cookie.starts_with("v1.") && cookie.ends_with(".1x2"), "{cookie}");
    assert!(!cookie.contains("12"), "no price: {cookie}");
}

#[tokio::test]
async fn a_hundred_products_fit_and_the_next_is_refused() {
    let app = TestApp::open_shop().await;
    app.publish(
        "INSERT INTO products (id, name, price, category)
         SELECT 9223372036854775000 + n, 'Long ' || n, 1, 'Long' FROM generate_series(1, 101) AS n",
    )
    .await;
    let mut browser = app.browser();
    let first = browser.get("/cart").await;
    first.expects("Your cart is empty.");
    browser.add(1, 1).await;
    browser.post("/cart/remove", &[("product", "1")]).await;
    // A cookie is read like a request: the hundred lines need not come one by one.
    let lines: Vec<String> = (1..=100)
        .map(|n| format!("{}x1000", 9_223_372_036_854_775_000_u64 + n))
        .collect();
    let cookie = browser.cookies["cart"].clone() + &lines.join("-");
    assert!(cookie.len() < 3_000, "{}", cookie.len());
    browser.cookies.insert("cart".into(), cookie);

    let page = browser.get("/cart").await;
    assert_eq!(page.html().matches("<li class=\"line").count(), 100);
    page.expects("Total €100,000.00");

    let full = browser
        .post(
            "/cart/change",
            &[("add", "9223372036854775101"), ("from", "menu")],
        )
        .await;
    full.expects("A cart has room for 100 different products.");
    assert_eq!(quantities(&mut browser).await.len(), 100);
    let ordered = browser.ordered().await;
    assert_eq!(ordered.status(), 200);
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn a_cookie_that_is_not_as_it_was_written_is_an_empty_cart() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 2).await;
    let good = browser.cookies["cart"].clone();
    let attempt = good.split('.').nth(1).unwrap();

    let flipped = if attempt.starts_with('A') { "B" } else { "A" };
    for cookie in [
        String::new(),
        "v1".into(),
        "v1..1x2".into(),
        good.replace("v1.", "v9."),
        format!("v1.{flipped}{}.1x2", &attempt[1..]),
        format!("v1.{}.1x2", &attempt[..20]),
        format!("v1.{}.1x2", "A".repeat(44)),
        format!("v1.{attempt}.1x0"),
        format!("v1.{attempt}.1x1001"),
        format!("v1.{attempt}.01x1"),
        format!("v1.{attempt}.1x-5"),
        format!("v1.{attempt}.1x1e3"),
        format!("v1.{attempt}.<script>x1"),
        format!("{good}{}", "-1x1".repeat(1_000)),
        "x".repeat(4_000),
        "\"v1\"".into(),
    ] {
        browser.cookies.insert("cart".into(), cookie.clone());
        let page = browser.get("/cart").await;
        assert_eq!(page.status(), 200, "{cookie}");
        assert!(page.says("Your cart is empty."), "{cookie}: {}", page.words());
        assert_eq!(browser.get("/").await.status(), 200, "{cookie}");
    }
    // Lines that repeat a product are one line, and unknown products are marked, not priced.
    browser
        .cookies
        .insert("cart".into(), format!("v1.{attempt}.1x2-1x3-77x1"));
    let page = browser.get("/cart").await;
    assert_eq!(quantities(&mut browser).await, [(1, 3), (77, 0)]);
    page.expects("No longer on the menu: not in the total.");
    // A product that never was has no name, and its number is nobody's business.
    page.expects("A product that left the menu No longer on the menu");
    assert!(!page.says("77"), "{}", page.words());
}

#[tokio::test]
async fn what_left_the_menu_is_marked_out_of_the_total_and_removed_by_one_click() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    browser.add(7, 1).await;
    browser.add(8, 1).await;
    app.publish("UPDATE products SET available = false WHERE id IN (7, 8)")
        .await;

    let page = browser.get("/cart").await;
    // The cart's link counts what can be ordered.
    page.expects("Cart 1 €12.99");
    page.expects("Total €12.99");
    for name in ["Margherita Pizza", "Pepperoni Pizza"] {
        let line = format!("{name} No longer on the menu: not in the total. Remove");
        assert!(page.says(&line), "{name}: {}", page.words());
        assert!(page.html().contains(&format!("aria-label=\"Remove {name}\"")));
    }
    assert_eq!(page.html().matches("No longer on the menu").count(), 2);
    assert!(!page.can_order());
    page.expects("To order, first remove what is no longer on the menu.");
    browser.get("/").await.expects("Cart 1 €12.99");

    let removed = browser.post("/cart/remove", &[("product", "8")]).await;
    assert!(
        removed.says("Pepperoni Pizza was removed.") && !removed.says("Undo"),
        "{}",
        removed.words()
    );
    let tidied = browser.post("/cart/tidy", &[]).await;
    assert_eq!(quantities(&mut browser).await, [(1, 1)]);
    assert!(tidied.can_order() && !tidied.says("To order, first remove"));
}

#[tokio::test]
async fn a_cart_of_which_everything_left_the_menu_costs_nothing_and_cannot_be_ordered() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(7, 3).await;
    app.publish("UPDATE products SET available = false WHERE id = 7")
        .await;

    let page = browser.get("/cart").await;

    page.expects("Margherita Pizza");
    page.expects("Total €0.00");
    assert!(!page.can_order() && !page.html().contains("class=\"count\""));
    // On sale again, it is in the cart as before.
    app.publish("UPDATE products SET available = true WHERE id = 7")
        .await;
    assert_eq!(quantities(&mut browser).await, [(7, 3)]);
    assert!(browser.get("/cart").await.can_order());
}

#[tokio::test]
async fn without_a_key_row_the_menu_is_shown_and_no_order_taken() {
    let app = TestApp::start().await;
    let mut browser = app.browser();

    let page = browser.get("/").await;
    page.expects("Orders are not taken here at the moment.");
    assert!(!page.html().contains("name=\"add\""));
    let cart = browser.add(1, 1).await;
    assert!(!browser.get("/cart").await.can_order(), "{cart:?}");
    let refused = browser
        .post(
            "/checkout",
            &[
                ("attempt", "x"),
                ("expected_total", "12.99"),
                ("seen", "1x1@1299"),
            ],
        )
        .await;
    refused.expects("Orders are not taken here at the moment.");
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn revoking_the_key_row_closes_the_shop() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    let cart = browser.get("/cart").await;

    app.publish(&format!(
        "UPDATE api_keys SET revoked_at = now() WHERE id = '{}'",
        crate::fixtures::STOREFRONT
    ))
    .await;

    let page = browser.order(&cart).await;
    page.expects("Orders are not taken here at the moment.");
    app.browser()
        .get("/")
        .await
        .expects("Orders are not taken here at the moment.");
    assert_eq!(app.order_count().await, 0);
}
