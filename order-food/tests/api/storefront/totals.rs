//! The total that is shown is the total that is stored, on every page.

use crate::harness::TestApp;

#[tokio::test]
async fn cart_order_page_and_table_agree_to_the_cent() {
    let app = TestApp::open_shop_with(|settings| settings.storefront.orders_per_address = 0).await;
    let codes = "SAVE10 HAPPYHOURS BUYGETONE FIFTYOFF SIXTYOFF BIRTHDAY GNULINUX OVER9000 FREEZAAA";
    let codes = [""].into_iter().chain(codes.split(' '));
    for (round, code) in codes.cycle().take(40).enumerate() {
        let mut browser = app.browser();
        browser.add(1, 1).await;
        let mine = browser.cookies["cart"].clone();
        let mine = mine.trim_end_matches("1x1");
        let lines: Vec<String> = (1..=10)
            .filter(|id| (round + id) % 3 != 0)
            .map(|id| format!("{id}x{}", (round * 37 + id * 101) % 1000 + 1))
            .collect();
        browser
            .cookies
            .insert("cart".into(), format!("{mine}{}", lines.join("-")));
        browser.post("/cart/coupon", &[("code", code)]).await;
        let cart = browser.get("/cart").await;
        let shown = cart.hidden("expected_total").unwrap();

        let order = browser.order(&cart).await;

        let id = order.address.split(['/', '.']).nth(2).unwrap();
        let stored = app
            .database
            .value(&format!("SELECT total FROM orders WHERE id = '{id}'"))
            .await;
        assert_eq!(stored, shown, "{code} {lines:?}");
        let (whole, cents) = shown.split_once('.').unwrap();
        let tail = &whole[whole.len().saturating_sub(3)..];
        assert!(
            order.says(&format!("{tail}.{cents} You pay")),
            "{shown}: {}",
            order.words()
        );
    }
}
