//! Coupons: taken, explained, kept for correction, limited, and looked at again.

use crate::client::Connection;
use crate::harness::TestApp;
use crate::storefront::browser::{Browser, Page};

/// A browser with two waffles and a pancake in its cart.
pub(crate) async fn with_cart(app: &TestApp) -> Browser<'_> {
    let mut browser = app.browser();
    browser.add(1, 2).await;
    browser.add(3, 1).await;
    browser
}

async fn apply(browser: &mut Browser<'_>, code: &str) -> Page {
    browser.post("/cart/coupon", &[("code", code)]).await
}

#[tokio::test]
async fn a_coupon_is_applied_ordered_with_and_removed() {
    let app = TestApp::open_shop().await;
    let mut browser = with_cart(&app).await;

    let page = apply(&mut browser, " SAVE10 ").await;
    assert_eq!(page.address, "/cart");
    page.expects("Coupon SAVE10 −€3.60 Total €32.37");
    let removed = browser
        .post("/cart/coupon", &[("code", "SAVE10"), ("remove", "1")])
        .await;
    removed.expects("Total €35.97");
    apply(&mut browser, "SAVE10").await;
    let order = browser.ordered().await;

    order.expects("Coupon SAVE10 −€3.60 Total €32.37");
    let stored = app
        .database
        .rows("SELECT coupon_code, discount::text, total::text FROM orders")
        .await;
    assert_eq!(stored, [["SAVE10", "3.60", "32.37"]]);
}

#[tokio::test]
async fn each_refusal_has_its_own_sentence_and_the_code_stays_for_correction() {
    let app = TestApp::open_shop().await;
    app.promotion("LATER").starts_in_days(1).insert().await;
    app.promotion("OVER").ended_days_ago(1).insert().await;
    app.promotion("CROWD").min_items(9).insert().await;
    app.promotion("USEDUP").max_uses(1).insert().await;
    app.place_order([(7, 1)]).coupon("USEDUP").accepted().await;
    let mut browser = with_cart(&app).await;

    let long = "x".repeat(65);
    for (code, sentence) in [
        ("NOSUCHCODE", "We do not know this code."),
        ("save10", "We do not know this code."),
        (&long, "A coupon code has 1 to 64 characters."),
        ("LATER", "This code is not valid yet."),
        ("OVER", "This code has expired."),
        ("CROWD", "This code needs at least 9 items in the cart."),
        ("USEDUP", "This code has been used up."),
    ] {
        let page = apply(&mut browser, code).await;
        assert_eq!(page.status(), 200);
        assert!(page.says(sentence), "{code}: {}", page.words());
        assert!(
            page.html().contains(&format!("name=\"code\" value=\"{code}\"")),
            "{code}"
        );
        assert!(
            page.html()
                .contains("aria-invalid=\"true\" aria-describedby=\"coupon-problem\"")
        );
        assert!(page.says("Total €35.97"), "{code}");
    }
}

#[tokio::test]
async fn bulk_codes_are_taken_and_change_no_price() {
    let app = TestApp::open_shop().await;
    let mut browser = with_cart(&app).await;

    let page = apply(&mut browser, "BULKCODE").await;

    page.expects("This code is valid; it changes no price.");
    page.expects("Total €35.97");
    browser.ordered().await.expects("Total €35.97");
    assert_eq!(
        app.database.value("SELECT coupon_code FROM orders").await,
        "BULKCODE"
    );
}

#[tokio::test]
async fn a_coupon_that_ended_or_was_used_up_meanwhile_stores_nothing_and_says_why() {
    let app = TestApp::open_shop().await;
    app.promotion("LAST").max_uses(1).insert().await;
    app.promotion("TODAY").insert().await;
    for (code, change, sentence) in [
        (
            "TODAY",
            "UPDATE promotions SET ends_at = now() WHERE code = 'TODAY'",
            "This code has expired.",
        ),
        ("LAST", "SELECT 1", "This code has been used up."),
    ] {
        let mut browser = with_cart(&app).await;
        apply(&mut browser, code).await;
        let cart = browser.get("/cart").await;
        cart.expects(&format!("Coupon {code}"));
        if code == "LAST" {
            app.place_order([(7, 1)]).coupon("LAST").accepted().await;
        }
        app.publish(change).await;
        let before = app.order_count().await;

        let page = browser.order(&cart).await;

        assert!(
            page.says("Nothing was ordered") && page.says(sentence),
            "{code}: {}",
            page.words()
        );
        assert!(page.says("Total €35.97") && !page.can_order(), "{code}");
        assert_eq!(app.order_count().await, before, "{code}");
        // The cart says it, too, and goes on without it.
        assert!(browser.get("/cart").await.says(sentence), "{code}");
        browser.post("/cart/coupon", &[("remove", "1")]).await;
        browser.ordered().await.expects("Total €35.97");
    }
}

#[tokio::test]
async fn a_coupon_that_needs_more_items_comes_back_with_them() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 2).await;
    apply(&mut browser, "BUYGETONE").await;
    browser.get("/cart").await.expects("Total €12.99");

    let fewer = browser.step("less", 1).await;
    fewer.expects("needs at least 2 items");
    fewer.expects("Total €12.99");
    let more = browser.step("add", 1).await;
    more.expects("Coupon BUYGETONE −€12.99 Total €12.99");
}

#[tokio::test]
async fn guesses_are_limited_by_address_and_right_codes_are_not() {
    let app = TestApp::open_shop_with(|settings| {
        settings.rate_limit.trusted_proxies = vec!["127.0.0.2".parse().unwrap()]
    })
    .await;
    let mut browser = with_cart(&app).await;
    for _ in 0..15 {
        apply(&mut browser, "SAVE10").await.expects("Total €32.37");
    }
    for guess in 0..10 {
        apply(&mut browser, &format!("GUESS{guess}"))
            .await
            .expects("We do not know this code.");
    }

    for code in ["GUESS10", "SAVE10"] {
        let page = apply(&mut browser, code).await;
        assert_eq!(page.status(), 429, "{code}");
        page.expects("Please wait 60 s and try again.");
        assert_eq!(page.answer.header("retry-after"), Some("60"));
    }
    // Forged cookies tell nothing, either: a coupon that was not accepted is not looked at.
    let cookie = browser.cookies["cart"].split('~').next().unwrap().to_owned();
    browser.cookies.insert("cart".into(), format!("{cookie}~SAVE10"));
    browser.get("/cart").await.expects("Total €35.97");
    // Another address is another visitor.
    let form = browser
        .form("/cart/coupon", &[("code", "GUESS")])
        .header("X-Forwarded-For", "203.0.113.9");
    let mut proxied = Connection::open_from([127, 0, 0, 2], app.server.address()).await;
    assert_eq!(proxied.exchange(&form).await.status(), 200);
    let metrics = app.get("/metrics").await.text();
    assert!(
        metrics.contains("requests_limited_total{kind=\"storefront_coupon\"} 2"),
        "{metrics}"
    );
}
